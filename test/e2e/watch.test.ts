/** `watch` follows a rollout that other processes change, on a pipe; `promote` and `show` by its evidence. */
import { rolledBack } from '../../src/core/internalization/change-reason.ts'
import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { spawn, type ChildProcess } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { nameOf } from '../../src/core/template/name.ts'
import { goLive, retire } from '../../src/lifecycle/promote.ts'
import { saveRolloutReport, type RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { CLI } from '../kit/process/built.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { ownFolder } from '../kit/temporary-folder.ts'
import { exampleApproved, exampleTemplate } from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { AT_ONCE, exampleEvidence, exampleReport } from '../kit/records/rollout.ts'

const STAGED: RolloutSettings = { ...AT_ONCE, stages: [0.05, 0.25, 1] }
const TEMPLATE = exampleTemplate('0123456789abcdef'.repeat(2))
const LIVE = exampleApproved('7b0fbb0e-6b53-4b6e-9d0f-0a1d8a5a9c11', {
  templateVersion: TEMPLATE.version,
})
/** What people are shown, and commands take. */
const SHORT = '01234567'
const NAME = nameOf(TEMPLATE, null)
const CONTEXT = { by: 'worker', now: 2_000, rollout: STAGED }
const FIRST = { share: 0.05, before: { pairs: 0, losses: 0, credits: 0 }, began: 2_000 }

let folder: string
let store: OpenStore
const children: ChildProcess[] = []
const command = await builtCommand()

beforeEach(async () => {
  folder = ownFolder()
  store = await openStore({ dataDir: folder })
  await store.templates.upsert([TEMPLATE])
  await store.internalizations.create(LIVE)
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await store.close()
})

const live = async () => (await store.internalizations.get(LIVE.id))!

const stateNow = async () => (await live()).state

const report = (changes: Partial<RolloutReport> = {}): Promise<void> =>
  saveRolloutReport(store, LIVE.id, exampleReport({ stage: FIRST, ...changes }))

const LOST = exampleEvidence({ losses: 21, rollback: Math.log(395), step: -10 })

const LOST_TEXT =
  'rolled back: it disagrees with the upstream in 21 of 160 conversations, 13.1 % (0.3 % to 8.2 %); the limit is 5.0 %; evidence 395'

const goLiveFirst = async (): Promise<void> => {
  await goLive(store, LIVE, CONTEXT)
}

/** Processes take their time on a machine that runs other tests. */
const until = (check: () => boolean): Promise<true> => vi.waitUntil(check, { timeout: 30_000 })

const run = (...words: string[]) => endHere(command, { DATA_DIR: folder }, words)

/** `watch` in a process of its own. */
const watch = (...options: string[]) => {
  const env = { ...process.env, DATA_DIR: folder }
  const child = spawn(process.execPath, [CLI, 'watch', TEMPLATE.version, ...options], { env })
  children.push(child)
  let text = ''
  child.stdout.on('data', (part) => void (text += String(part)))
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  return {
    ended,
    lines: () => text.split('\n').slice(0, -1),
    interrupt: () => child.kill('SIGINT'),
  }
}

const REPLACED = reasonOf('replaced', { by: 'internalization-2' })

describe('watch', () => {
  it('writes a line for each change, and ends with 5 after a rollback by evidence', async () => {
    await goLiveFirst()
    const watched = watch()
    await until(() => watched.lines().length === 1)
    await report()
    await until(() => watched.lines().length === 2)
    await report({ evidence: LOST })
    await until(() => watched.lines().length === 3)
    await retire(store, await live(), rolledBack(LOST), CONTEXT, { evidence: LOST })
    expect(await watched.ended).toBe(5)
    expect(watched.lines().map((line) => line.replace(/^\S+ \S+ /, ''))).toEqual([
      'canary 5 % no figures yet',
      'canary 5 % pairs 160 loss 2.5 % rollback 0.05 step 2.2',
      'canary 5 % pairs 160 loss 13.1 % rollback 395 step 0.00',
      `retired: ${LOST_TEXT}`,
    ])
  })

  it('ends with 0 when a person or a successor retired it', async () => {
    await goLiveFirst()
    const watched = watch('--json')
    await until(() => watched.lines().length === 1)
    await retire(store, await live(), REPLACED, CONTEXT)
    expect(await watched.ended).toBe(0)
    expect(watched.lines().map((line) => JSON.parse(line) as object)).toMatchObject([
      { id: LIVE.id, state: { name: 'live', stage: FIRST }, rollout: null },
      { id: LIVE.id, state: { name: 'retired', reason: REPLACED } },
    ])
  })

  it('ends with 0 by Ctrl+C', async () => {
    await goLiveFirst()
    const watched = watch()
    await until(() => watched.lines().length === 1)
    watched.interrupt()
    expect(await watched.ended).toBe(0)
  })

  it('redraws the picture on a terminal, and leaves the last one there', async () => {
    await goLiveFirst()
    await report()
    const { isTTY, columns, rows } = process.stdout
    Object.assign(process.stdout, { isTTY: true, columns: 80, rows: 40 })
    const written = { stdout: '', stderr: '' }
    const running = endHere(command, { DATA_DIR: folder }, ['watch', TEMPLATE.version], written)
    try {
      await until(() => written.stdout.includes('Ctrl+C'))
    } finally {
      await retire(store, await live(), REPLACED, CONTEXT)
      await running
      Object.assign(process.stdout, { isTTY, columns, rows })
    }
    const { code, stdout } = await running
    expect(code).toBe(0)
    const frames = stdout.split('\r\u001b[J')
    expect(frames[1]).toContain('Now it is asked for 5 % of the requests.')
    expect(frames[1]).toContain('Evidence for a rollback')
    expect(frames.at(-1)).toContain('A newer internalization replaced it.')
    expect(frames.at(-1)).toMatch(/UTC; Ctrl\+C ends this view\n$/)
    const wide = frames.flatMap((frame) => frame.split('\n')).filter((line) => line.length > 80)
    expect(wide).toEqual([])
  })

  it('refuses an internalization that was never live', async () => {
    const { code, stderr } = await run('watch', TEMPLATE.version, '--once')
    expect(code).toBe(4)
    expect(stderr).toContain(`no rollout to watch: promptintern promote ${SHORT}`)
  })
})

describe('promote, of a live internalization', () => {
  it('is refused without the evidence, which it names, and decides without it by --now', async () => {
    await goLiveFirst()
    await report()
    const refused = await run('promote', TEMPLATE.version)
    expect(refused.code).toBe(4)
    expect(refused.stderr).toContain(
      'the evidence is 2.2 after 128 conversations of this stage, and 20 is needed. Wait for more audited requests, or decide without this evidence: --now'
    )
    const { code, stdout } = await run('promote', TEMPLATE.version, '--now')
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('enters canary 25 %') as string,
    })
    expect(await stateNow()).toMatchObject({
      stage: { share: 0.25, before: { pairs: 160 } },
    })
  })

  it('is refused before the time of the stage, which it names, as the status does', async () => {
    await goLiveFirst()
    const waitsFor = ['waits until 2026-11-30 10:04 UTC', 'no pair yet between 04:00 and 08:00 UTC']
    const ends = Date.UTC(2026, 10, 30, 10, 4)
    await report({
      waitsFor: [
        reasonOf('stage-too-young', { until: ends }),
        reasonOf('part-of-day-missing', { part: 1, pairs: 0, needed: 3 }),
      ],
    })
    const { code, stderr } = await run('promote', TEMPLATE.version)
    expect(code).toBe(4)
    expect(stderr).toContain(`20 is needed; ${waitsFor.join('; ')}. Wait`)
    expect((await run('status')).stdout.replaceAll(/\n +/g, ' ')).toContain(
      `live, canary 5 %; ${waitsFor.join('; ')}`
    )
  })

  it('enters the next stage by its evidence, which counts for one stage alone', async () => {
    await goLiveFirst()
    await report({ mayStep: true })
    expect((await run('status')).stdout.replaceAll(/\n +/g, ' ')).toContain(
      `live, canary 5 %; bad ratings +3.9 points (-4.1 to +11.9); ready for canary 25 %: promptintern promote ${SHORT}`
    )
    expect((await run('promote', LIVE.id)).code).toBe(0)
    expect(await stateNow()).toMatchObject({ stage: { share: 0.25 }, evidence: exampleEvidence() })
    // the worker has not looked at the new stage yet
    const again = await run('promote', TEMPLATE.version)
    expect(again.code).toBe(4)
    expect(again.stderr).toContain('no audited request of this stage yet')
  })

  it('can be decided before the worker has made figures', async () => {
    await goLiveFirst()
    expect((await run('promote', TEMPLATE.version)).stderr).toContain('no audited request')
    expect((await run('promote', TEMPLATE.version, '--now')).code).toBe(0)
    expect(await stateNow()).toMatchObject({
      stage: { share: 0.25, before: { pairs: 0 } },
    })
  })

  it('changes nothing in the last stage, also with --now', async () => {
    await goLive(store, LIVE, { ...CONTEXT, rollout: AT_ONCE })
    const before = await stateNow()
    const { code, stdout } = await run('promote', TEMPLATE.version, '--now')
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `template ${SHORT} (${NAME}) is live, full\n`,
    })
    expect(await stateNow()).toEqual(before)
  })
})

describe('promote with a share', () => {
  it('enters that stage from approval, and a smaller one without evidence', async () => {
    expect((await run('promote', TEMPLATE.version, '--share', '0.5')).code).toBe(0)
    expect(await stateNow()).toMatchObject({ stage: { share: 0.5 } })
    const larger = await run('promote', TEMPLATE.version, '--share', '0.6')
    expect(larger).toMatchObject({ code: 4, stderr: expect.stringContaining('--now') as string })
    const same = await run('promote', TEMPLATE.version, '--share', '0.5')
    expect(same.stdout).toContain('is live, canary 50 %')
    const { stdout } = await run('promote', TEMPLATE.version, '--share', '0.1')
    expect(stdout).toContain('enters canary 10 %')
    expect(await stateNow()).toMatchObject({ stage: { share: 0.1 } })
  })
})

describe('pause', () => {
  it('is shown with the command that ends it, and refuses a larger share', async () => {
    await goLiveFirst()
    await report({ mayStep: true })
    expect((await run('promote', SHORT, '--share', '0', '--reason', 'an incident')).stdout).toBe(
      `template ${SHORT} (${NAME}) is live, paused\n`
    )
    const view = await run('watch', TEMPLATE.version, '--once')
    expect(view.stdout).toContain('When it is resumed, it is asked for 5 % of the requests.')
    expect(view.stdout).toContain(`to end the pause, run: promptintern promote ${SHORT}`)
    expect((await run('status')).stdout).toContain('live, paused')
    const shown = (await run('template', TEMPLATE.version)).stdout
    expect(shown).toContain(`to end the pause, run: promptintern promote ${SHORT}`)
    expect(shown).toContain('paused, by cli: an incident')
    const refused = await run('promote', TEMPLATE.version, '--share', '0.5')
    expect(refused).toMatchObject({ code: 4 })
    expect(refused.stderr).toContain('is paused: promote it without a share first')
    expect((await run('promote', LIVE.id)).stdout).toContain('is live, canary 5 %')
    expect(await stateNow()).toEqual({ name: 'live', stage: FIRST })
  })
})

describe('rollback of one that is not live', () => {
  it('ends what waits for approval, with its reason, by the start of an id', async () => {
    expect((await run('rollback', SHORT)).code).toBe(2)
    const { code, stdout } = await run('rollback', SHORT, '--reason', 'the labels change')
    expect({ code, stdout: stdout.replaceAll(/\n +/g, ' ') }).toEqual({
      code: 0,
      stdout: `internalization 7b0fbb0e of template ${SHORT} (${NAME}) is rejected\n`,
    })
    expect(await stateNow()).toEqual({ name: 'rejected', reason: saidBy('the labels change') })
    expect((await run('promote', SHORT)).code).toBe(4)
  })

  it('is refused for one that has ended', async () => {
    await run('rollback', SHORT, '--reason', 'no')
    const { code, stderr } = await run('rollback', SHORT, '--reason', 'no')
    expect(code).toBe(4)
    expect(stderr).toContain('is rejected, so it cannot become rejected')
  })
})

describe('rollback that keeps the previous one retired', () => {
  it('takes the route away, and brings none back', async () => {
    const other = exampleApproved('8c0fbb0e-6b53-4b6e-9d0f-0a1d8a5a9c11', {
      templateVersion: TEMPLATE.version,
    })
    await goLiveFirst()
    await store.internalizations.create(other)
    await goLive(store, other, { ...CONTEXT, now: 3_000 })
    const { code, stdout } = await run(
      'rollback',
      SHORT,
      '--keep-previous-retired',
      '--reason',
      'the prompt ends',
      '--json'
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      ended: { id: other.id, state: { name: 'retired', reason: saidBy('the prompt ends') } },
      restored: null,
    })
    expect(await store.routes.list()).toEqual([])
    expect((await live()).state).toMatchObject({ name: 'retired' })
  })
})

describe('template', () => {
  it('has the history of a rollout with its reasons, and the drift', async () => {
    await goLiveFirst()
    await report({ mayStep: true, driftedAt: Date.UTC(2026, 10, 28, 10) })
    await run('promote', TEMPLATE.version, '--reason', 'the team agrees')
    const before = (await run('template', TEMPLATE.version)).stdout
    expect(before).toContain('live, canary 25 %; drift since 2026-11-28 10:00')
    expect(before).toContain(`to watch its rollout, run: promptintern watch ${SHORT}`)
    await retire(store, await live(), rolledBack(LOST), CONTEXT, { evidence: LOST })
    const { stdout } = await run('template', TEMPLATE.version)
    const entries = stdout.split('history of 7b0fbb0e\n')[1]
    expect(
      entries?.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, 'AT').replaceAll(/\n {3,}/g, ' ')
    ).toBe(
      [
        '  AT canary 5 %, by worker',
        '  AT canary 25 %, by cli: it disagrees with the upstream in 4 of 160 conversations, 2.5 % (0.3 % to 8.2 %); evidence 2.2; the team agrees',
        `  AT retired, by worker: ${LOST_TEXT}`,
        '',
      ].join('\n')
    )
  })
})
