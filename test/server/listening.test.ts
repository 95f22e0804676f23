import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { listensOn } from '../../bench/torture/listening.ts'

const SERVE = `require('node:net').createServer().listen(0, '127.0.0.1', function () {
  process.stdout.write(String(this.address().port))
})
process.stdin.on('end', () => process.exit()).resume()`

test.skipIf(process.platform !== 'linux')(
  'the torture takes no other program for the server that it has started',
  async () => {
    const own = createServer().listen(0, '127.0.0.1')
    await once(own, 'listening')
    const { port } = own.address() as AddressInfo
    // The shell stays, so the server is a process that it has started.
    const child = spawn('/bin/sh', ['-c', '"$0" -e "$1"; true', process.execPath, SERVE])
    try {
      const [answer] = (await once(child.stdout, 'data')) as [Buffer]
      expect(listensOn(child.pid as number, Number(answer))).toBe(true)
      expect(listensOn(child.pid as number, port)).toBe(false)
      expect(listensOn(process.pid, port)).toBe(true)
    } finally {
      child.stdin.end()
      await once(child, 'exit')
      own.close()
    }
  },
)
