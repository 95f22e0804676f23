import { join } from 'node:path'
import { expect, test } from 'vitest'
import { KIND, numberOf } from '../../src/persistence/keys.ts'
import { Engine, rangeOf } from '../../src/persistence/level.ts'
import { useProgram } from '../clients/program.ts'
import { kill, startOn, stop, temporaryDirectory, visitPort } from './data-server.ts'

const program = useProgram()

const NODES = 4000

/** The ids of the directories on disk, and the id of each file's directory. */
async function idsOnDisk(
  directory: string,
): Promise<{ directories: Set<number>; files: number[] }> {
  const engine = await Engine.open(join(directory, 'tree'))
  const directories = new Set<number>()
  const files: number[] = []
  for await (const records of engine.read(rangeOf(KIND.directory))) {
    for (const [key] of records) directories.add(numberOf(key))
  }
  for await (const records of engine.read(rangeOf(KIND.file))) {
    for (const [key] of records) files.push(numberOf(key))
  }
  await engine.close()
  return { directories, files }
}

/** Kills a server that has removed a directory, but not yet deleted all its nodes from the disk. */
async function crashWhileClearing(): Promise<string> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const directory = temporaryDirectory()
    const server = await startOn(program, directory)
    const client = await visitPort(server.port)
    await client.call('KSET', '/kept/a', '1')
    for (let i = 0; i < NODES; i++) client.send('KSET', `/wide/${i % 50}/${i % 7}/${i}`, 'x')
    await client.take(NODES)
    await client.call('SAVE')
    client.send('KDEL', '/wide', 'RECURSIVE')
    client.send('SAVE')
    await client.take(2)
    await kill(server)
    if ((await idsOnDisk(directory)).files.length > 1) return directory
  }
  expect.fail('the crash always came after all nodes were deleted')
}

test('the nodes of a removed directory are deleted from the disk, after the crash if not before', async () => {
  const directory = await crashWhileClearing()
  const again = await startOn(program, directory)
  expect(again.loadedIndex).toBe(NODES + 2)
  await (await visitPort(again.port)).call('SAVE')
  await stop(again)
  const { directories, files } = await idsOnDisk(directory)
  expect(files).toHaveLength(1)
  expect(directories.size).toBe(2)
  expect(directories).toContain(files[0])
})
