/**
 * The recipe for SkyPilot by its own command on a stand-in for its API server, where SKYPILOT_COMMAND names `sky`
 * (0.14).
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createTraining } from '../../../adapters/gpu/train-command.ts'
import { fromRoot } from '../../kit/process/from-root.ts'
import { startSkyPilotServer, type SkyJob, type SkyPilotServer } from '../../kit/skypilot-server.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

const folder = sharedFolder()
const bin = join(folder, 'bin')

const sky = process.env['SKYPILOT_COMMAND']
const missing = ((): string | null => {
  if (sky === undefined) return 'SKYPILOT_COMMAND names no `sky`'
  return spawnSync(sky, ['--version']).status === 0 ? null : `${sky} cannot be run`
})()

if (missing === null) {
  mkdirSync(bin)
  symlinkSync(sky!, join(bin, 'sky'))
}

const envOf = (url: string): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${bin}:${process.env['PATH']}`,
  HOME: folder,
  SKYPILOT_API_SERVER_ENDPOINT: url,
  SKYPILOT_DISABLE_USAGE_COLLECTION: '1',
})

const trainedIn = ({ PROMPTINTERN_REPORT: report = '' }: Record<string, string>): void => {
  const output = join(dirname(report), 'output')
  mkdirSync(output, { recursive: true })
  writeFileSync(join(output, 'lora'), 'lora')
  const end = {
    kind: 'trained',
    trained_tokens: 7,
    metrics: {},
    probe: {},
    output_bytes: { lora: 4 },
  }
  writeFileSync(report, `${JSON.stringify({ ...end, number: 1 })}\n`)
}

describe.skipIf(missing !== null)(
  `SkyPilot's recipe${missing === null ? '' : `: ${missing}`}`,
  () => {
    let server: SkyPilotServer
    afterEach(() => server.close())

    const train = async (name: string, onLaunch: (job: SkyJob) => void) => {
      server = await startSkyPilotServer(onLaunch)
      const file = join(folder, name, 'task.json')
      mkdirSync(dirname(file))
      writeFileSync(file, '{}')
      const run = createTraining({
        command: fromRoot('deploy/training/skypilot.sh'),
        python: 'none',
        script: fromRoot('adapters/trainer/train.py'),
        env: envOf(server.url),
        log: () => undefined,
        times: { reportMs: 50, failureMs: 100, settleMs: 100, stopMs: 120_000 },
      })
      const abort = new AbortController()
      const messages: string[] = []
      const hooks = {
        signal: abort.signal,
        onMessage: (_level: string, message: string) => void messages.push(message),
        onProgress: () => undefined,
      }
      return { file, abort, messages, result: run({ file, identity: name }, hooks) }
    }

    it('runs the task as a managed job, and a failed one again', { timeout: 300_000 }, async () => {
      const { file, messages, result } = await train('one', (job) => {
        if (server.jobs.length === 1) {
          const message = { kind: 'message', level: 'info', message: 'begun', number: 1 }
          writeFileSync(job.env['PROMPTINTERN_REPORT']!, `${JSON.stringify(message)}\n`)
          job.end(100)
        } else {
          trainedIn(job.env)
          job.end(0)
        }
      })
      expect(await result).toMatchObject({ trained_tokens: 7 })
      expect(server.jobs.map(({ name }) => name)).toEqual([
        expect.stringMatching(/^promptintern-[0-9a-f]{12}$/),
        server.jobs[0]!.name,
      ])
      expect(server.jobs[0]!.env).toMatchObject({
        PROMPTINTERN_TASK: file,
        PROMPTINTERN_TRAINER: join(dirname(file), 'trainer'),
      })
      expect(messages.join()).toMatch(/died \(exit code 100/)
    })

    it('cancels the job on the platform with the job here', { timeout: 300_000 }, async () => {
      const { abort, result } = await train('two', () => undefined)
      await expect.poll(() => server.jobs.length, { timeout: 120_000 }).toBe(1)
      abort.abort(new Error('enough'))
      await expect(result).rejects.toThrow('enough')
      expect(server.jobs[0]!.isCancelled).toBe(true)
    })
  }
)
