/** Managed runs on dstack's REST API: what every platform must give, and what goes wrong around it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDstackRuns } from '../../adapters/launch/dstack.ts'
import { describeManagedRuns, LaunchWorld, type OpenedRuns } from '../contract/managed-run-suite.ts'
import { DSTACK_TOKEN, startDstackServer } from '../kit/launch/dstack-server.ts'
import { Platform } from '../kit/launch/platform.ts'
import {
  reportFailure,
  reportStep,
  reportTrained,
  writeOutput,
} from '../kit/launch/trainer-report.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

const templateOf = (text: string): string => {
  const path = join(folder, `${text.length}.dstack.yml`)
  writeFileSync(path, text)
  return path
}

const TASK = 'type: task\ncommands: [python train.py]\nenv:\n  - HF_HOME=/cache\n'

const runsOn = (url: string, { text = TASK, token = DSTACK_TOKEN, fetchBy = fetch } = {}) =>
  createDstackRuns({ url, token, project: 'main', template: templateOf(text), fetch: fetchBy })

const openDstack = async (platform: Platform, options = {}): Promise<OpenedRuns> => {
  const { url, close } = await startDstackServer(platform)
  return { runs: runsOn(url, options), close }
}

describeManagedRuns('dstack', (platform) => openDstack(platform))

describe('a managed run', () => {
  let world: LaunchWorld
  beforeEach(async () => {
    const platform = new Platform()
    world = new LaunchWorld(await openDstack(platform), platform)
  })
  afterEach(() => world.close())

  it('has the paths of the machine that trains', async () => {
    const launcher = world.open({
      seen: [
        ['/models/tiny', '/there/model'],
        [world.dataDir, '/there/data'],
      ],
    })
    expect(launcher.seenAs('/models/tiny')).toBe('/there/model')
    expect(launcher.seenAs('/models/tiny-2')).toBe('/models/tiny-2')
    expect(launcher.seenAs(join(world.dataDir, 'loras/a'))).toBe('/there/data/loras/a')
    const { abort, error } = world.train(launcher)
    expect((await world.run()).env).toEqual({
      HF_HOME: '/cache',
      PROMPTINTERN_TRAINER: '/there/data/jobs/ftjob-1/checkpoint/trainer',
      PROMPTINTERN_TASK: '/there/data/jobs/ftjob-1/checkpoint/task.json',
      PROMPTINTERN_REPORT: expect.stringMatching(
        /^\/there\/data\/jobs\/ftjob-1\/checkpoint\/promptintern-[0-9a-f]{12}\.jsonl$/
      ),
    })
    abort.abort(new Error('enough'))
    await error
  })

  it('that fails for now goes on from its checkpoint, but not for ever', async () => {
    const { error } = world.train()
    const run = await world.run()
    run.state = 'running'
    reportStep(run, 1)
    // the platform starts it again by itself
    for (let times = 0; times < 3; times++) {
      reportFailure(run, 'store-unavailable', `no disk ${times}`, true)
      if (times < 2) await world.said(new RegExp(`no disk ${times}; it is run again`))
    }
    expect(await error).toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(/failed 3 times without a further step: no disk 2/),
    })
    world.removeJob()
    await expect.poll(() => run.state).toBe('stopped')
  })

  it('that loses every machine without a further step fails the job', async () => {
    const { error } = world.train()
    for (const n of [1, 2, 3]) (await world.run(n)).state = 'lost'
    expect(await error).toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(/3 times; see the run on dstack/),
    })
    expect(world.platform.runs).toHaveLength(3)
  })

  it('is not given up while its report goes on, and is when nothing is heard of it', async () => {
    const { error } = world.train()
    const run = await world.run()
    await world.said(/is queued/)
    world.platform.fault = 401
    await world.said(/401.*ENGINE_DSTACK_TOKEN/)
    world.later = 59_000
    reportStep(run, 1)
    await world.stepped([1])
    world.later = 100_000
    reportStep(run, 2)
    await world.stepped([1, 2])
    world.later = 200_000
    expect(await error).toMatchObject({ code: 'engine-unavailable' })
    // it is ended as soon as the platform answers
    world.removeJob()
    await expect.poll(() => world.logged.length).toBeGreaterThan(0)
    expect(run.state).toBe('queued')
    world.platform.fault = null
    await expect.poll(() => run.state).toBe('stopped')
  })

  it('waits until its lora has arrived whole, but not for ever', async () => {
    const launcher = world.open({ times: { reportMs: 5, statusMs: 10, settleMs: 60_000 } })
    const first = world.train(launcher)
    const run = await world.run()
    reportTrained(run, 2)
    await world.said(/waiting for the lora to arrive/)
    writeOutput(run, 4)
    await first.result
    writeOutput(run, 3)
    const second = world.train(launcher)
    await expect.poll(() => world.messages.filter((text) => /waiting/.test(text))).toHaveLength(2)
    world.later = 61_000
    expect(await second.error).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/has not arrived in .*is the folder shared/),
    })
  })

  it('that ended waits for a report that is slower than the platform', async () => {
    const launcher = world.open({ times: { reportMs: 5, statusMs: 10, settleMs: 60_000 } })
    const { result } = world.train(launcher)
    const run = await world.run()
    run.state = 'done'
    await world.said(/is done/)
    reportTrained(run)
    await result
    expect(world.platform.runs).toHaveLength(1)
  })

  it('whose submission got no answer is cancelled with its job all the same', async () => {
    const { url, close } = await startDstackServer(world.platform)
    const answered: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (!String(input).endsWith('runs/apply')) return response
      world.platform.fault = 503
      throw new TypeError('fetch failed')
    }
    const { abort, error } = world.train(world.open({ runs: runsOn(url, { fetchBy: answered }) }))
    const run = await world.run()
    await world.said(/does not answer/)
    abort.abort(new Error('cancelled'))
    await error
    world.removeJob()
    await expect.poll(() => world.logged.length).toBeGreaterThan(0)
    world.platform.fault = null
    await expect.poll(() => run.state).toBe('stopped')
    await expect.poll(() => world.records).toEqual([])
    await close()
  })

  it('survives a report that is cut off or of another kind', async () => {
    const { result } = world.train()
    const run = await world.run()
    writeFileSync(
      run.env['PROMPTINTERN_REPORT']!,
      '{"kind":"progress","step":7,"numb\n[]\n7\nnull\n'
    )
    await world.said(/is queued/)
    reportTrained(run)
    await result
  })
})

describe('dstack', () => {
  const { signal } = new AbortController()
  it('refuses a wrong token and a wrong configuration, with what it says', async () => {
    for (const text of ['type: service\n', '{', ''])
      expect(() => runsOn('http://127.0.0.1:9', { text })).toThrow(/is not a dstack task/)
    const platform = new Platform()
    const { runs, close } = await openDstack(platform, { token: 'wrong' })
    await expect(runs.status('promptintern-a-1')).rejects.toThrow(/403: Invalid token; see ENGINE_/)
    await expect(runs.submit('promptintern-a-1', {}, signal)).rejects.toMatchObject({
      code: 'invalid-config',
    })
    await close()
    await expect(runs.status('promptintern-a-1')).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(/does not answer/),
    })
  })

  it('adds to an environment that is a mapping', async () => {
    const platform = new Platform()
    const { runs, close } = await openDstack(platform, { text: 'type: task\nenv: {A: b}\n' })
    await runs.submit('promptintern-a-1', { C: 'd' }, signal)
    expect(platform.runs[0]?.env).toEqual({ A: 'b', C: 'd' })
    await close()
  })
})
