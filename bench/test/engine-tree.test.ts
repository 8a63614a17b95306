import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { noteTree, stillRunning, type Noted } from '../crash/engine-tree.ts'

describe.skipIf(process.platform !== 'linux')('processes that an engine leaves behind', () => {
  it('are found when their parent is gone, and no more when they are', async () => {
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const ended = once(parent, 'exit')
    const noted: Noted = new Map()
    const child = Number((await once(parent.stdout, 'data')).toString())
    noteTree(parent.pid!, noted)
    expect([...noted.keys()]).toEqual([parent.pid, child])
    parent.kill('SIGKILL')
    await ended
    expect(stillRunning(noted)).toEqual([child])
    process.kill(child, 'SIGKILL')
    await vi.waitFor(() => expect(stillRunning(noted)).toEqual([]))
  })

  it('are not later processes with the same number', () => {
    expect(stillRunning(new Map([[process.pid, '1']]))).toEqual([])
  })
})
