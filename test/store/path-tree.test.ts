import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isBelow } from '../../src/store/path.ts'
import { PathTree, type Place } from '../../src/store/path-tree.ts'

/** Every place of a tree but the root. */
function placesOf<T>(place: Place<T>): Place<T>[] {
  return [...(place.children?.values() ?? [])].flatMap((child) => [child, ...placesOf(child)])
}

/** The places on the way to a path, as far as the tree has some, and one below it if it ends there. */
function walk<T>(tree: PathTree<T>, path: string): string[] {
  const way: string[] = []
  let place: Place<T> | undefined = tree.root
  while (place !== undefined && place.path.length < path.length) {
    way.push(place.path)
    place = tree.next(place, path)
  }
  if (place !== undefined) way.push(place.path)
  return way
}

function wayTo<T>(tree: PathTree<T>, path: string): string[] {
  return tree.way(path).map((place) => place.path)
}

const component = fc.constantFrom('a', 'b', 'ab', 'a longer component', 'a longer compositum')
const path = fc.array(component, { maxLength: 5 }).map((components) => `/${components.join('/')}`)

describe('PathTree', () => {
  test('finds what is above, at and below each path, whatever has come and gone', () => {
    const step = fc.record({ path, adds: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), path, (steps, asked) => {
        const tree = new PathTree<string>()
        const kept = new Set<string>()
        for (const { path, adds } of steps) {
          const place = tree.at(path)
          expect(place.path).toBe(path)
          expect(wayTo(tree, path)).toEqual(walk(tree, path))
          expect(wayTo(tree, asked)).toEqual(walk(tree, asked))
          if (adds) {
            place.item = path
            kept.add(path)
          } else {
            place.item = undefined
            kept.delete(path)
            tree.prune(place)
          }
          expect(wayTo(tree, asked)).toEqual(walk(tree, asked))
          expect(wayTo(tree, path)).toEqual(walk(tree, path))
        }
        const places = placesOf(tree.root)
        expect(
          new Set(places.filter(({ item }) => item !== undefined).map((each) => each.path)),
        ).toEqual(new Set([...kept].filter((each) => each !== '/')))
        for (const place of places) {
          expect(place.parent?.children?.size).toBeGreaterThan(0)
          // A place holds something, or paths part at it.
          expect(place.item !== undefined || (place.children?.size ?? 0) > 1).toBe(true)
        }
        const way = walk(tree, asked)
        const above = [...kept].filter((each) => isBelow(asked, each) || each === asked)
        expect(above.filter((each) => !way.includes(each))).toEqual([])
        const below = [...kept].filter((each) => isBelow(each, asked))
        const last = way[way.length - 1]
        expect(last === asked || isBelow(last, asked)).toBe(
          below.length > 0 || kept.has(asked) || asked === '/',
        )
        expect(below.every((each) => each === last || isBelow(each, last))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('makes a place for each path and each parting, not for each component', () => {
    const tree = new PathTree<number>()
    for (let i = 0; i < 100; i++) tree.at(`/${i}/${'a/'.repeat(1000)}b`).item = i
    expect(placesOf(tree.root)).toHaveLength(100)
    tree.at(`/7/${'a/'.repeat(500)}b`).item = 100
    expect(placesOf(tree.root)).toHaveLength(102)
  })

  test('looks for the places on the way once for many paths that begin alike', () => {
    const tree = new PathTree<number>()
    const deep = '/a'.repeat(500)
    for (let end = 2; end <= deep.length; end += 2) tree.at(deep.slice(0, end)).item = end
    for (let i = 0; i < 1000; i++) expect(tree.way(`${deep}/${i}`)).toHaveLength(501)
    for (let i = 0; i < 1000; i++) expect(tree.way(`${deep}/${i}/x`)).toHaveLength(501)
    for (let i = 1; i < 500; i++) expect(tree.way(`${'/a'.repeat(i)}/b`)).toHaveLength(i + 1)
    expect(tree.looks).toBeLessThan(5000)
  })

  test('looks for the places on the way once for many paths that are added, and removed, one after the other', () => {
    const tree = new PathTree<number>()
    const deep = '/a'.repeat(500)
    for (let end = 2; end <= deep.length; end += 2) tree.at(deep.slice(0, end)).item = end
    for (let i = 0; i < 1000; i++) tree.at(`${deep}/${i}`).item = i
    for (let i = 1000; i < 2000; i++) {
      const place = tree.at(`${deep}/${i}/x`)
      expect(place.parent?.path).toBe(deep)
      tree.prune(place)
    }
    expect(tree.looks).toBeLessThan(5000)
    expect(placesOf(tree.root)).toHaveLength(1500)
  })

  test('removes all places when nothing is kept', () => {
    const tree = new PathTree<number>()
    const paths = ['/a', '/a/b/c', '/a/b/d', '/b/c', '/']
    const places = paths.map((path) => tree.at(path))
    for (const place of places) tree.prune(place)
    expect(placesOf(tree.root)).toEqual([])
    expect(tree.root.children).toBe(null)
  })
})
