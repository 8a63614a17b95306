import { fork } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createEngine } from '../../../src/engine/client.ts'
import { builtPath } from '../../kit/process/build.ts'
import { loadBuilt, TEST_BUILD } from '../../kit/process/built.ts'
import { ROWS, finished, until } from '../../contract/harness.ts'
import { ownFolder } from '../../kit/temporary-folder.ts'

type Fake = typeof import('../../../adapters/fake/index.ts')
const { startFakeEngine } = await loadBuilt<Fake>('adapters/fake/index.ts')

const forked = async () =>
  fork(builtPath(TEST_BUILD, 'adapters/fake/process.ts'), [], {
    env: { ...process.env, ENGINE_TOKEN: 't', ENGINE_DATA_DIR: ownFolder() },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })

describe('engine process', () => {
  it('is killed in mid-training, comes back on its port and goes on with the job', async () => {
    const dataDir = ownFolder()
    const child = await startFakeEngine({ dataDir, faults: { stepMs: 5 }, onFault: () => {} })
    onTestFinished(() => child.close())
    const engine = createEngine({ name: 'fake', ...child, fetch })
    const training_file = await engine.uploadRows(ROWS, 'rows.jsonl')
    const { id } = await engine.createJob({
      model: 'fake-base',
      training_file,
      hyperparameters: { max_steps: 200 },
    })
    await until(
      () => engine.jobEvents(id),
      (events) => events.some((event) => event.type === 'metrics')
    )
    const killed = child.pid()!
    process.kill(killed, 'SIGKILL')
    await until(
      () => engine.models().catch(() => []),
      (models) => models.length > 0
    )
    expect(child.pid()).not.toBe(killed)
    expect(await finished(engine, id)).toMatchObject({ status: 'succeeded' })
    const messages = (await engine.jobEvents(id)).map((event) => event.message)
    expect(messages).toContain('Resumed after a restart')
  })

  it('ends when it is closed', async () => {
    const child = await startFakeEngine({
      dataDir: ownFolder(),
      onFault: () => {},
    })
    const pid = child.pid()!
    await child.close()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('ends when its parent was gone before it had loaded its modules', async () => {
    const child = await forked()
    onTestFinished(() => void child.kill('SIGKILL'))
    const exit = new Promise((resolve) => child.once('exit', resolve))
    child.disconnect()
    expect(await exit).toBe(0)
  })

  it('ends when its parent is gone', async () => {
    const child = await forked()
    const report = await new Promise((resolve) => child.once('message', resolve))
    expect(report).toEqual({ port: expect.any(Number) })
    const exit = new Promise((resolve) => child.once('exit', resolve))
    child.disconnect()
    expect(await exit).toBe(0)
  })

  it('tells why it cannot start', async () => {
    const starting = startFakeEngine({ dataDir: '/dev/null/nothing', onFault: () => {} })
    await expect(starting).rejects.toThrow(/ENOTDIR/)
  })
})
