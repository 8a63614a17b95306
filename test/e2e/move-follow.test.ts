/**
 * The way of a prompt to a new model, with the built programs: its answers are bought, a small model learns them and is
 * approved, and the first request that names the new model is answered without the prompt.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Follower } from '../../src/core/internalization/followers.ts'
import type { MoveView, MovesView } from '../../src/cli/commands/template/move-text.ts'
import type { SavingsReport } from '../../src/savings/savings.ts'
import { CLI, runCli } from '../kit/process/built.ts'
import { colourIn, inTenant, type Sent } from '../kit/whole/scene.ts'
import { COLOURS, colourOf, PROMPT, questionOf } from '../kit/records/paint-orders.ts'

const [FROM, TO] = ['gpt-4o-mini', 'gpt-6-luna']
/** 90 tokens of the prompt and two of the answer. */
const USD = 90 * 0.1e-6 + 2 * 0.5e-6
const ROWS = 240

const next = (colour: string): string => COLOURS[(COLOURS.indexOf(colour) + 1) % COLOURS.length]!

interface Status {
  templates: {
    version: string
    model: string
    movedFrom: string | null
    stats: { requests: number; bought: number }
    followers: Follower[]
    internalizations: { id: string; state: { name: string } }[]
  }[]
  retirements: unknown[]
  followedRetirements: { model: string; followers: Follower[] }[]
}

describe('a prompt whose requests will name a new model', () => {
  /** requests to the new model */
  const bought: string[] = []
  const { scene, keyOf } = inTenant(({ body }) => {
    const text = body.toString()
    const isNew = text.includes(`"model":"${TO}"`)
    if (isNew) bought.push(text)
    return isNew ? next(colourIn(text)) : colourIn(text)
  })
  let keys: Record<string, string>[]

  const sent =
    (model: string) =>
    (number: number): Sent => ({
      headers: keys[number % keys.length]!,
      body: JSON.stringify({
        model,
        messages: [
          { role: 'system', content: PROMPT },
          { role: 'user', content: questionOf(number) },
        ],
      }),
    })

  const json = async <T>(...words: string[]): Promise<T> =>
    JSON.parse(await runCli(scene.env, ...words, '--json')) as T

  const templateOf = async (model: string): Promise<Status['templates'][number]> => {
    const { templates } = await json<Status>('status')
    return templates.find((each) => each.model === model)!
  }

  const move = (...words: string[]): Promise<MoveView> => json('move', ...words, '--yes')

  /** @returns the newest internalization of a template in a state */
  const reached = async (model: string, wanted: string): Promise<string> => {
    for (const deadline = Date.now() + 90_000; Date.now() < deadline;) {
      const newest = (await templateOf(model))?.internalizations.at(-1)
      if (newest?.state.name === wanted) return newest.id
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    throw new Error(JSON.stringify(await json<Status>('status')))
  }

  beforeAll(async () => {
    await scene.start({ ACCESS: 'keys', UPSTREAM_API_KEY: 'upstream-key', AUTO_PROMOTE: 'false' })
    keys = [await keyOf('first'), await keyOf('second')]
    await scene.many(300, sent(FROM))
    await reached(FROM, 'approval')
  }, 180_000)

  it('buys nothing twice when it is killed and run again', async () => {
    const { version } = await templateOf(FROM)
    const words = ['move', version, '--to', TO, '--follow', '--yes']
    const child = spawn(process.execPath, [CLI, ...words], {
      env: { ...process.env, ...scene.env },
      stdio: 'ignore',
    })
    while (bought.length < 40) await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill('SIGKILL')
    await once(child, 'exit')
    const killedAt = bought.length
    expect(killedAt).toBeLessThan(ROWS)
    const { usd, ...moved } = await move(version, '--to', TO, '--follow')
    expect(moved).toMatchObject({ from: FROM, to: TO, bought: ROWS, unsent: 0, agreement: 0 })
    // four requests are on their way at a time, and the second run may draw others in their place
    expect(bought.length).toBeLessThanOrEqual(ROWS + 4)
    expect(bought.length - new Set(bought).size).toBeLessThanOrEqual(4)
    expect(new Set(bought).size).toBeGreaterThanOrEqual(ROWS)
    expect(usd).toBeCloseTo((bought.length - killedAt) * USD, 9)
    const before = bought.length
    expect(await move(version, '--to', TO, '--follow')).toMatchObject({ usd: 0, bought: ROWS })
    expect(bought).toHaveLength(before)
  })

  it('spends and saves what it did, and the move is told apart', async () => {
    const { periods } = await json<SavingsReport>('savings')
    expect(periods.all.spentUsd).toBeCloseTo(300 * (90 * 0.15e-6 + 2 * 0.6e-6), 9)
    expect(periods.all.movesUsd).toBeCloseTo(ROWS * USD, 9)
    expect(await templateOf(TO)).toMatchObject({ stats: { requests: 0, bought: ROWS } })
    const scanned = await json<{ templates: { requests: number }[] }>(
      'scan',
      scene.env['DATA_DIR']!
    )
    expect(scanned.templates.map(({ requests }) => requests)).toEqual([300])
    expect(await runCli(scene.env, 'savings')).toContain('for bought answers of other models')
  })

  it('answers the first request that names the new model, as that model answers', async () => {
    const id = await reached(TO, 'approval')
    const names = (await templateOf(TO)).version
    await scene.proxy.admin(`/internalizations/${id}/approve`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    const before = bought.length
    const first = await scene.ask(sent(TO)(301))
    // of a request that it has not learned it may be unsure, which is no fault of the move
    const isUnsure = first.route === 'fallback' && first.reason === 'low-confidence'
    expect(isUnsure ? 'answered' : first.route, first.reason ?? '').toBe('answered')
    expect(first).toMatchObject({ status: 200, answer: next(colourOf(301)) })
    const { lora, answers } = await scene.answered(sent(TO))
    expect(lora).toBeGreaterThan(answers.length / 2)
    expect(answers).toEqual(answers.map((_answer, number) => next(colourOf(number))))
    // each that it did not answer went to the new model, and no other
    expect(bought).toHaveLength(before + Number(isUnsure) + answers.length - lora)
    expect((await templateOf(TO)).version).toBe(names)
  })

  it('reads as one thing in status, show and on the page, and its retirement is no alarm', async () => {
    await scene.many(60, sent(TO))
    const [old, fresh] = [await templateOf(FROM), await templateOf(TO)]
    const { templates, retirements, followedRetirements } = await json<Status>('status')
    expect(templates).toHaveLength(2)
    expect(fresh.movedFrom).toBe(old.version)
    const followers = [{ version: fresh.version, model: TO, state: 'live' }]
    expect(old.followers).toEqual(followers)
    expect([retirements, followedRetirements]).toMatchObject([[], [{ model: FROM, followers }]])
    const shown = (await runCli(scene.env, 'template', old.version)).replace(/\s+/g, ' ')
    expect(shown).toContain(`is followed by ${fresh.version.slice(0, 8)} (${TO}, live)`)
    expect((await runCli(scene.env, 'status')).replace(/\s+/g, ' ')).toMatch(/\) follows \S+ \(/)
  })

  it('moves all templates of a model at once', async () => {
    const words = ['--from', FROM, '--to', 'gpt-5-mini', '--requests', '20']
    const { templates, usd, left } = await json<MovesView>('move', ...words, '--yes')
    expect(templates).toMatchObject([{ requests: 20, agreement: 1, bought: null, follower: null }])
    expect(usd).toBeCloseTo(templates[0]!.usd, 12)
    expect(left).toEqual([])
    const text = await runCli(scene.env, 'move', ...words, '--yes')
    expect(text.replace(/\s+/g, ' ')).toContain('agrees with the log in 100.0 % of 20 requests')
    await expect(move('--from', 'no-model', '--to', TO)).rejects.toThrow('no template has requests')
    await expect(move('--to', TO)).rejects.toThrow('name a template')
    await expect(move('--from', TO, '--to', TO)).rejects.toThrow('name gpt-6-luna already')
  })
})
