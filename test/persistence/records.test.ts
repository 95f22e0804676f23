import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHECKSUM_LENGTH, isSealed } from '../../src/persistence/checksum.ts'
import { DamagedDataError } from '../../src/persistence/errors.ts'
import { decodeEvents, encodeEvents, eventLength } from '../../src/persistence/event-record.ts'
import {
  directoryKey,
  eventsKey,
  fileKey,
  fileName,
  firstFileKey,
  KIND,
  MAX_ID,
  metaKey,
  numberOf,
} from '../../src/persistence/keys.ts'
import { decodeMeta, encodeMeta, type Meta } from '../../src/persistence/meta.ts'
import {
  decodeDirectory,
  decodeNode,
  encodeDirectory,
  encodeFile,
} from '../../src/persistence/node-record.ts'
import type { Event, NodeExtern } from '../../src/store/event.ts'
import { MAX_PATH_LENGTH } from '../../src/store/path.ts'
import { STAT_NAMES, Stats } from '../../src/store/stats.ts'
import { Store } from '../../src/store/store.ts'
import { DirectoryNode, FileNode } from '../../src/store/tree/node.ts'
import { MAX_EXPIRE_TIME, TtlHeap } from '../../src/store/tree/ttl-heap.ts'
import { LARGE_VALUE_BYTES, textOfValue, toValue } from '../../src/store/value.ts'

const latin1 = (array: Uint8Array): string => Buffer.from(array).toString('latin1')
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map(latin1),
  fc.constantFrom(
    '',
    '\0',
    '\xff',
    '\r\n',
    'é',
    'x'.repeat(70_000),
    '\xff'.repeat(MAX_PATH_LENGTH),
  ),
)
const names = bytes.map((name) => name.replaceAll('/', '_'))
const index = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 2 ** 31, 2 ** 32, 2 ** 48, Number.MAX_SAFE_INTEGER),
)
const ids = fc.oneof(fc.integer({ min: 1, max: MAX_ID }), fc.constantFrom(1, 2 ** 32, MAX_ID))
const times = fc.option(
  fc.oneof(fc.integer({ min: 0, max: MAX_EXPIRE_TIME }), fc.constantFrom(0, MAX_EXPIRE_TIME)),
  { nil: undefined },
)

function lease(node: FileNode | DirectoryNode, expireTime: number | undefined): void {
  if (expireTime !== undefined) new TtlHeap().set(node, expireTime)
}

const files = fc
  .record({ name: names, value: bytes, created: index, modified: index, expireTime: times })
  .map(({ name, value, created, modified, expireTime }) => {
    const file = new FileNode(name, new DirectoryNode('', null, 0), value, created)
    file.modifiedIndex = modified
    lease(file, expireTime)
    return file
  })

const directories = fc
  .record({ name: names, created: index, modified: index, expireTime: times })
  .map(({ name, created, modified, expireTime }) => {
    const directory = new DirectoryNode(name, null, created)
    directory.modifiedIndex = modified
    lease(directory, expireTime)
    return directory
  })

const externs: fc.Arbitrary<NodeExtern> = fc
  .record({
    key: bytes.map((path) => `/${path}`),
    dir: fc.boolean(),
    value: fc.option(bytes.map(toValue), { nil: undefined }),
    expiration: times,
    ttl: fc.nat(),
    modifiedIndex: index,
    createdIndex: index,
  })
  .map(({ ttl, ...node }) => ({
    ...node,
    ttl: node.expiration === undefined ? undefined : ttl,
    nodes: undefined,
  }))

const events: fc.Arbitrary<Event> = fc.record({
  action: fc.constantFrom(
    'create',
    'set',
    'update',
    'delete',
    'compareAndSwap',
    'compareAndDelete',
    'expire',
  ),
  node: externs,
  prevNode: fc.option(externs, { nil: undefined }),
  index,
  refresh: fc.boolean(),
})

/** Large values in a form that is compared at once, because Buffers are compared byte by byte. */
function comparable(event: Event): unknown {
  const node = (extern: NodeExtern | undefined): unknown =>
    Buffer.isBuffer(extern?.value)
      ? { ...extern, value: { bytes: textOfValue(extern.value) } }
      : extern
  // Whatever form the event has.
  const { action, index, refresh } = event
  return { action, index, refresh, node: node(event.node), prevNode: node(event.prevNode) }
}

const metas: fc.Arbitrary<Meta> = fc
  .record({
    segment: fc.option(ids, { nil: undefined }),
    batch: index,
    index,
    rootId: ids,
    nextId: ids,
    nodes: index,
    nodesSum: index,
    eventRecords: index,
    eventsSum: index,
    placesUpTo: index,
    savedAt: index,
    counters: fc.array(index, { minLength: STAT_NAMES.length, maxLength: STAT_NAMES.length }),
  })
  .map(({ counters, ...meta }) => {
    const stats = new Stats()
    for (const [i, name] of STAT_NAMES.entries()) stats[name] = counters[i]
    return { ...meta, stats, lost: [meta.index, meta.index], journal: '0123', position: meta.index }
  })

describe('the record of', () => {
  test('a file keeps every byte, index and time', () => {
    fc.assert(
      fc.property(files, ids, (file, parentId) => {
        const key = fileKey(parentId, file.name)
        const value = encodeFile(file, key)
        expect(isSealed(key, value)).toBe(true)
        expect([key[0], numberOf(key), fileName(key)]).toEqual([KIND.file, parentId, file.name])
        const { bodyAt, ...fields } = decodeNode(value)
        expect(fields).toEqual({
          createdIndex: file.createdIndex,
          modifiedIndex: file.modifiedIndex,
          expireTime: file.lease?.expireTime,
          isStored: false,
        })
        expect(value.toString('latin1', bodyAt)).toBe(file.value)
      }),
      { numRuns: 300 },
    )
  })

  test('a directory does too, including the root with its empty name', () => {
    fc.assert(
      fc.property(directories, ids, fc.oneof(ids, fc.constant(0)), (directory, id, parentId) => {
        const key = directoryKey(id)
        const value = encodeDirectory(directory, key, parentId)
        expect(isSealed(key, value)).toBe(true)
        expect([key[0], numberOf(key)]).toEqual([KIND.directory, id])
        const { bodyAt, ...fields } = decodeNode(value)
        expect(fields).toEqual({
          createdIndex: directory.createdIndex,
          modifiedIndex: directory.modifiedIndex,
          expireTime: directory.lease?.expireTime,
          isStored: false,
        })
        expect(decodeDirectory(value, bodyAt)).toEqual({ parentId, name: directory.name })
      }),
      { numRuns: 300 },
    )
  })

  test('a run of events keeps each event, and is no longer than computed', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 5 }), index, (run, first) => {
        const key = eventsKey(first)
        const value = encodeEvents(run, key)
        expect(isSealed(key, value)).toBe(true)
        expect(decodeEvents(value).map(comparable)).toEqual(run.map(comparable))
        const most = run.reduce((sum, event) => sum + eventLength(event), CHECKSUM_LENGTH)
        expect(value.length).toBeLessThanOrEqual(most)
      }),
      { numRuns: 300 },
    )
  })

  // In full they would take twice as much of the heap after a start as before it.
  test('events that the store makes short are short again', () => {
    const store = new Store()
    const large = Buffer.alloc(LARGE_VALUE_BYTES)
    const expireTime = store.clock.now() + 1e6
    for (const value of ['', 'x', large]) {
      for (const path of ['/a', '/b/c']) {
        store.setFile(path, value)
        store.setFile(path, 'y')
        store.set(path, value)
        store.set(path, value, { expireTime })
        store.set(path, value, { expireTime, refresh: true })
        store.setFile(path, value)
        store.update(path, 'x')
        store.setFile(path, value)
        store.compareAndSwap(path, {}, value)
        store.delete(path)
      }
      store.setDirectory('/d')
      store.delete('/d', { recursive: true })
    }
    const run = [...store.history]
    const decoded = decodeEvents(encodeEvents(run, eventsKey(1)))
    expect(decoded.map(comparable)).toEqual(run.map(comparable))
    const isShort = ({ overwrite }: Event): boolean => overwrite !== undefined
    expect(run.filter(isShort).length).toBeGreaterThan(10)
    expect(run.filter((event, i) => isShort(event) && !isShort(decoded[i]))).toEqual([])
  })

  test('the head keeps every number', () => {
    fc.assert(
      fc.property(metas, (meta) => {
        expect(decodeMeta(encodeMeta(meta))).toEqual(meta)
      }),
    )
  })
})

describe('keys', () => {
  test('sort by their numbers', () => {
    fc.assert(
      fc.property(ids, ids, names, (one, other, name) => {
        const order = Math.sign(one - other)
        expect(directoryKey(one).compare(directoryKey(other))).toBe(order)
        expect(firstFileKey(one).compare(firstFileKey(other))).toBe(order)
        // The files of a directory lie between its first key and that of the next directory.
        if (one < other) expect(fileKey(one, name).compare(firstFileKey(other))).toBe(-1)
        expect(fileKey(one, name).compare(firstFileKey(one))).toBe(name === '' ? 0 : 1)
      }),
    )
    fc.assert(
      fc.property(index, index, (one, other) => {
        expect(eventsKey(one).compare(eventsKey(other))).toBe(Math.sign(one - other))
      }),
    )
  })
})

describe('damage', () => {
  const anyRecord: fc.Arbitrary<[Buffer, Buffer]> = fc.oneof(
    fc.tuple(files, ids).map(([file, id]): [Buffer, Buffer] => {
      const key = fileKey(id, file.name)
      return [key, encodeFile(file, key)]
    }),
    fc.tuple(directories, ids).map(([directory, id]): [Buffer, Buffer] => {
      const key = directoryKey(id)
      return [key, encodeDirectory(directory, key, 1)]
    }),
    fc.tuple(fc.array(events, { minLength: 1, maxLength: 3 }), ids).map(([run, first]) => {
      const key = eventsKey(first)
      return [key, encodeEvents(run, key)] as [Buffer, Buffer]
    }),
    metas.map((meta): [Buffer, Buffer] => [metaKey, encodeMeta(meta)]),
  )

  test('to any byte of a record or its key is detected', () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(), fc.integer({ min: 1, max: 255 }), ([key, value], at, by) => {
        const [damagedKey, damagedValue] = [Buffer.from(key), Buffer.from(value)]
        const place = at % (key.length + value.length)
        if (place < key.length) damagedKey[place] ^= by
        else damagedValue[place - key.length] ^= by
        expect(isSealed(damagedKey, damagedValue)).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  test('to any byte of a small record is detected', () => {
    const file = new FileNode('name', new DirectoryNode('', null, 0), 'value', 7)
    const key = fileKey(3, file.name)
    const value = encodeFile(file, key)
    for (let at = 0; at < value.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(value)
        damaged[at] ^= 1 << bit
        expect(isSealed(key, damaged)).toBe(false)
      }
    }
  })

  test('that makes a record shorter or longer is detected', () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(), ([key, value], at) => {
        expect(isSealed(key, value.subarray(0, at % value.length))).toBe(false)
        expect(isSealed(key, Buffer.concat([value, Buffer.from('x')]))).toBe(false)
      }),
    )
  })

  test('to a record with a right checksum is a DamagedDataError and nothing worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
        const value = Buffer.from(array)
        for (const decode of [
          () => decodeEvents(value),
          () => decodeDirectory(value, decodeNode(value).bodyAt),
        ]) {
          try {
            decode()
          } catch (error) {
            expect(error).toBeInstanceOf(DamagedDataError)
          }
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('to the head is refused', () => {
    const meta = encodeMeta({
      ...{ batch: 1, index: 1, rootId: 1, nextId: 2, nodes: 1, nodesSum: 0, eventRecords: 0 },
      ...{ eventsSum: 0, placesUpTo: 0, stats: new Stats(), lost: [], savedAt: 0 },
      ...{ journal: '', position: 0 },
    })
    meta[meta.length - 2] ^= 1
    expect(() => decodeMeta(meta)).toThrow(DamagedDataError)
    expect(() => decodeMeta(Buffer.alloc(0))).toThrow(DamagedDataError)
  })
})
