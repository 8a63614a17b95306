/**
 * Managed runs on SkyPilot: by a stand-in for its command, and by the command itself where
 * SKYPILOT_COMMAND names it, both on a stand-in for its API server.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createSkyPilotRuns } from '../../../adapters/launch/skypilot.ts'
import { describeManagedRuns, type OpenedRuns } from '../../contract/managed-run-suite.ts'
import { Platform } from '../../kit/launch/platform.ts'
import { startSkyPilotServer } from '../../kit/launch/skypilot-server.ts'
import { builtPath } from '../../kit/process/build.ts'
import { TEST_BUILD } from '../../kit/process/built.ts'
import { fromRoot } from '../../kit/process/from-root.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

const folder = sharedFolder()

/** The one that operators copy. */
const template = fromRoot('deploy/training/skypilot.yaml')

const STAND_IN = `${process.execPath} ${builtPath(TEST_BUILD, 'test/kit/launch/sky-command.ts')}`

const envOf = (url: string): NodeJS.ProcessEnv => ({
  ...process.env,
  HOME: folder,
  SKYPILOT_API_SERVER_ENDPOINT: url,
  SKYPILOT_DISABLE_USAGE_COLLECTION: '1',
})

const openBy =
  (command: string) =>
  async (platform: Platform): Promise<OpenedRuns> => {
    const { url, close } = await startSkyPilotServer(platform)
    return { runs: createSkyPilotRuns({ command, template, env: envOf(url) }), close }
  }

describeManagedRuns('SkyPilot, by a stand-in for its command', openBy(STAND_IN))

const missing = (): string | null => {
  const command = process.env['SKYPILOT_COMMAND']
  if (command === undefined) return 'SKYPILOT_COMMAND names no `sky`'
  const { status } = spawnSync('sh', ['-c', `${command} --version`], { env: envOf('') })
  return status === 0 ? null : `${command} cannot be run`
}
describeManagedRuns('SkyPilot, by its own command', openBy(process.env['SKYPILOT_COMMAND'] ?? ''), {
  skip: missing(),
  asksAgain: true,
})

const runsOf = (command: string, env: NodeJS.ProcessEnv = {}) =>
  createSkyPilotRuns({ command, template, env: { PATH: process.env['PATH'], ...env } })

const saying = (text: string): string => `sh -c 'echo "${text}" >&2; exit 1'`

describe('the command of SkyPilot', () => {
  const { signal } = new AbortController()

  it('that is missing fails the job with what to do', async () => {
    const runs = runsOf('no-such-program')
    for (const call of [() => runs.submit('a', {}, signal), () => runs.status('a')])
      await expect(call()).rejects.toMatchObject({
        code: 'invalid-config',
        message: expect.stringMatching(/pip install skypilot.*ENGINE_SKYPILOT_COMMAND/),
      })
  })

  it('that refuses ends the job, and one that has no connection does not', async () => {
    await expect(
      runsOf(saying('No cloud is enabled')).submit('a', {}, signal)
    ).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringMatching(/jobs launch failed \(exit code 1\): No cloud is enabled/),
    })
    await expect(
      runsOf(saying('Could not connect to SkyPilot API server')).submit('a', {}, signal)
    ).rejects.toMatchObject({ code: 'engine-unavailable' })
    // a login may be renewed while a run goes on
    await expect(runsOf(saying('Please login')).status('a')).rejects.toMatchObject({
      code: 'engine-unavailable',
    })
    await expect(runsOf('echo nothing').status('a')).rejects.toThrow(/gave no list: nothing/)
  })

  it.each([
    'Connection aborted. Remote end closed connection without response',
    'Read timed out. (read timeout=60)',
    'HTTPError: 502 for url /jobs/launch',
  ])('that may have got through is not repeated: %s', async (text) => {
    await runsOf(saying(text)).submit('a', {}, signal)
  })

  it('is given none of the engine’s secrets', async () => {
    const file = join(folder, 'seen')
    const runs = runsOf(`sh -c 'env > ${file}; echo "$0 $*" >> ${file}'`, {
      ENGINE_TOKEN: 'secret-1',
      ENGINE_DSTACK_TOKEN: 'secret-2',
      AWS_PROFILE: 'mine',
    })
    await runs.submit('promptintern-a-1', { PROMPTINTERN_TASK: '/data/task.json' }, signal)
    const seen = readFileSync(file, 'utf8')
    expect(seen).toMatch(/AWS_PROFILE=mine/)
    expect(seen).toMatch(/--name promptintern-a-1 --env PROMPTINTERN_TASK=\/data\/task\.json/)
    expect(seen).not.toMatch(/secret/)
  })

  it('needs a template, which it would else take for a command', () => {
    const options = { command: 'sky', env: {} }
    for (const wrong of ['/nowhere/train.yaml', fromRoot('package.json')])
      expect(() => createSkyPilotRuns({ ...options, template: wrong })).toThrow(/ends in \.yaml/)
  })
})
