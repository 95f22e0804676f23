import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Children } from '../../../src/store/tree/children.ts'
import { component, hashOf, scanComponent } from '../../../src/store/tree/name-hash.ts'
import { DirectoryNode, FileNode } from '../../../src/store/tree/node.ts'

const parent = new DirectoryNode('', null, 0)
const file = (name: string): FileNode => new FileNode(name, parent, '', 0)

/** As a walk finds it: a component somewhere in a path. */
function findIn(children: Children<FileNode>, path: string, start: number) {
  scanComponent(path, start)
  return children.find(path, start, component.end, component.hash)
}

describe('Children', () => {
  test('does as a Map does, whatever is added and removed', () => {
    const names = fc.integer({ min: 0, max: 60 }).map((i) => `name-${i}`)
    const step = fc.tuple(fc.constantFrom('add', 'add', 'remove'), names)
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const children = new Children<FileNode>()
        const model = new Map<string, FileNode>()
        for (const [what, name] of steps) {
          const there = model.get(name)
          expect(children.get(name)).toBe(there)
          expect(findIn(children, `/above/${name}/below`, 7)).toBe(there)
          if (what === 'remove' && there !== undefined) {
            model.delete(name)
            children.remove(there)
          } else if (what === 'add' && there === undefined) {
            const node = file(name)
            model.set(name, node)
            children.add(node)
          }
          expect(children.size).toBe(model.size)
        }
        expect(new Set(children.values())).toEqual(new Set(model.values()))
        for (const [name, node] of model) expect(children.get(name)).toBe(node)
      }),
      { numRuns: 200 },
    )
  })

  test('finds all of many, while it grows and shrinks', () => {
    const children = new Children<FileNode>()
    const nodes = Array.from({ length: 5000 }, (_, i) => file(`${i}`))
    for (const node of nodes) children.add(node)
    for (const node of nodes) expect(children.get(node.name)).toBe(node)
    for (const [i, node] of nodes.entries()) if (i % 50 !== 0) children.remove(node)
    expect(children.size).toBe(100)
    for (const [i, node] of nodes.entries()) {
      expect(children.get(node.name)).toBe(i % 50 === 0 ? node : undefined)
    }
    for (const node of nodes) children.remove(node)
    expect(children.size).toBe(0)
    expect(children.has('0')).toBe(false)
    children.add(nodes[0])
    expect(children.list[0]).toBe(nodes[0])
  })

  test('does not find a name that is but the beginning or the end of another', () => {
    const children = new Children<FileNode>()
    for (let i = 0; i < 3; i++) children.add(file(`ab${i}`))
    for (const name of ['', 'a', 'ab', 'ab10', 'xab1', 'b1']) {
      expect(children.get(name)).toBeUndefined()
      expect(findIn(children, `ab1/${name}/ab1`, 4)).toBeUndefined()
    }
  })

  test.each([4, 100])('removes nothing that is not there, with %i others', (count) => {
    const children = new Children<FileNode>()
    for (let i = 0; i < count; i++) children.add(file(`${i}`))
    children.remove(file('1'))
    children.remove(file('none'))
    expect(children.size).toBe(count)
    expect(children.has('1')).toBe(true)
  })

  test('whoever goes through it meets each that stays, whatever comes and goes meanwhile', () => {
    const change = fc.record({
      after: fc.nat(40),
      adds: fc.nat(30),
      removes: fc.array(fc.nat(60), { maxLength: 40 }),
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.array(change), (count, changes) => {
        const children = new Children<FileNode>()
        const first = Array.from({ length: count }, (_, i) => file(`${i}`))
        for (const node of first) children.add(node)
        const removed = new Set<FileNode>()
        const met = new Set<unknown>()
        let step = 0
        for (const node of children.values()) {
          expect(removed.has(node as FileNode)).toBe(false)
          met.add(node)
          for (const { after, adds, removes } of changes) {
            if (after !== step) continue
            for (let i = 0; i < adds; i++) children.add(file(`${step}-${i}-${children.size}`))
            for (const i of removes) {
              if (i >= count || removed.has(first[i])) continue
              children.remove(first[i])
              removed.add(first[i])
            }
          }
          step++
        }
        for (const node of first) expect(met.has(node) || removed.has(node)).toBe(true)
      }),
    )
  })
})

test('scanComponent finds the end and the hash of a component', () => {
  scanComponent('/ab/cde', 1)
  expect({ ...component }).toEqual({ end: 3, hash: hashOf('ab') })
  scanComponent('/ab/cde', 4)
  expect({ ...component }).toEqual({ end: 7, hash: hashOf('cde') })
  scanComponent('ab//', 3)
  expect({ ...component }).toEqual({ end: 3, hash: hashOf('') })
  expect(hashOf('ab')).not.toBe(hashOf('ba'))
})
