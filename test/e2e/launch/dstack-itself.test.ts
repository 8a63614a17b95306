/**
 * dstack's own server takes what is asked of it. It has no machines here, so a run ends for want of
 * capacity. Skipped where DSTACK_COMMAND does not name `dstack`, with its extra `server`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDstackRuns } from '../../../adapters/launch/dstack.ts'
import { DSTACK_TOKEN } from '../../kit/launch/dstack-server.ts'
import { freePort } from '../../kit/process/free-port.ts'
import { fromRoot } from '../../kit/process/from-root.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

const command = process.env['DSTACK_COMMAND']

const missing = (): string | null => {
  if (command === undefined) return 'DSTACK_COMMAND names no `dstack`'
  const { status } = spawnSync('sh', ['-c', `${command} --version`])
  return status === 0 ? null : `${command} cannot be run`
}

/** The one that operators copy. */
const OURS = readFileSync(fromRoot('deploy/training/train.dstack.yml'), 'utf8')

const reason = missing()
const folder = sharedFolder()

describe.skipIf(reason !== null)(
  `dstack's own server${reason === null ? '' : `: ${reason}`}`,
  () => {
    let server: ChildProcess
    let url: string
    const { signal } = new AbortController()

    beforeAll(async () => {
      const port = await freePort()
      url = `http://127.0.0.1:${port}`
      const env = {
        ...process.env,
        HOME: folder,
        DSTACK_SERVER_DIR: join(folder, 'server'),
        DSTACK_SERVER_ADMIN_TOKEN: DSTACK_TOKEN,
        DSTACK_DO_NOT_UPDATE_DEFAULT_PROJECT: '1',
      }
      const args = ['-c', `exec ${command} server --port ${port}`]
      server = spawn('sh', args, { env, stdio: 'ignore' })
      const answers = () => fetch(`${url}/healthcheck`).catch(() => null)
      while ((await answers()) === null) await delay(500)
    })
    afterAll(async () => {
      const ended = once(server, 'exit')
      server.kill('SIGKILL')
      await ended
    })

    const runsOf = (text: string, token = DSTACK_TOKEN) => {
      const template = join(folder, 'task.dstack.yml')
      writeFileSync(template, text)
      return createDstackRuns({ url, token, project: 'main', template, fetch })
    }

    it('submits, tells and stops a run, and refuses a second one of its name', async () => {
      const runs = runsOf(OURS)
      const name = 'promptintern-0123456789ab-1'
      expect(await runs.status(name)).toBeNull()
      await runs.submit(name, { PROMPTINTERN_TASK: '/promptintern/task.json' }, signal)
      expect(await runs.status(name)).toMatchObject({ state: 'queued' })
      await expect(runs.submit(name, {}, signal)).rejects.toMatchObject({
        code: 'invalid-config',
        message: expect.stringMatching(/400: (Failed to apply plan|Cannot override active run)/),
      })
      expect(await runs.lastLines(name)).toBe('')
      await runs.cancel(name)
      const options = { timeout: 120_000, interval: 500 }
      await expect.poll(() => runs.status(name), options).toMatchObject({ state: 'stopped' })
      await runs.cancel(name)
    })

    it('says of a run without a machine that it is lost', async () => {
      // that of ours waits for six hours
      const runs = runsOf('type: task\ncommands: [python]\n')
      const name = 'promptintern-0123456789ab-2'
      await runs.submit(name, {}, signal)
      const options = { timeout: 120_000, interval: 500 }
      await expect
        .poll(() => runs.status(name), options)
        .toMatchObject({ state: 'lost', detail: expect.stringMatching(/no_capacity/) })
    })

    it('refuses a configuration and a token, with what it says', async () => {
      await expect(
        runsOf('type: task\ncommands: [a]\nspot_policy: never\n').submit('ab', {}, signal)
      ).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringMatching(/422/) })
      await expect(runsOf(OURS, 'wrong').submit('ab', {}, signal)).rejects.toMatchObject({
        code: 'invalid-config',
        message: expect.stringMatching(/403.*ENGINE_DSTACK_TOKEN/),
      })
    })
  }
)
