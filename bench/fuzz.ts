/**
 * Does the server stand what strangers and upstreams send, and does a lora answer nothing else than its proof had?
 * The real server with a live route, cases of a seed in batches, and after each batch a look at the event loop and
 * the memory from outside. A batch that was too slow, or an answer that came wrong, is sent again case by case; the
 * seed of the case is printed with the smallest request that still fails.
 *
 *   npm run bench:fuzz -- [--minutes 30] [--seed 1] [--out file.json]
 *   npm run bench:fuzz -- --case <seed of a case>
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { AUTHORIZATION, caseOf, CHAT_PATH, type Case } from './fuzz/cases.ts'
import { Dice } from './fuzz/dice.ts'
import { loopSettings } from '../test/kit/process/loop-settings.ts'
import { goLive } from './fuzz/go-live.ts'
import { reduced, textOf } from './fuzz/reduce.ts'
import { startWatched, type WatchedServer } from './fuzz/watched-server.ts'
import { createSender, type Outcome, type Sender } from './fuzz/wire.ts'
import { build } from '../test/kit/process/build.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import { conclude, withBar, type Figure, type Figures } from '../test/kit/report.ts'
import { inFolder } from './harness/measure.ts'
import { optional, readOptions } from './harness/options.ts'

const args = readOptions({
  minutes: 30,
  seed: 1,
  case: optional,
})

const BATCH = 16
const BAR_MS = 100
/** How often a late case is sent again. */
const AGAIN = 5
/** Between two collections of each process the memory moves by 200 MiB, which is a slope over a shorter time. */
const LEAST_MINUTES_OF_SLOPE = 20
const MAX_MIB_A_MINUTE = 1
const MOST_SHOWN = 20

interface Tally {
  sent: number
  unanswered: number
  internalErrors: number
  proven: number
  answeredOfProven: number
  unproven: number
  wrongAnswers: number
  /** confirmed ones, and all */
  blockedMs: number
  lateMs: number
  /** minutes since the start, and MiB */
  memory: [number, number][]
  /** findings that were printed, by mutation */
  shown: Set<string>
}

const say = (text: string): void => void process.stderr.write(`${text}\n`)

/** Opens the upstream's acceptance of the credential again, which a case may have closed. */
const accept = async (sender: Sender): Promise<void> => {
  const body = Buffer.from(
    JSON.stringify({ model: 'routed', messages: [{ role: 'user', content: 'hi' }] })
  )
  const headers = { 'content-type': 'application/json', authorization: AUTHORIZATION }
  await sender.send({
    seed: 0,
    name: 'hi',
    method: 'POST',
    path: CHAT_PATH,
    headers,
    body,
    raw: null,
    expects: 'any',
  })
}

const isWrong = ({ expects }: Case, { isLora }: Outcome): boolean =>
  expects === 'upstream' && isLora

const isUnanswered = ({ raw }: Case, { status, isLate }: Outcome): boolean =>
  isLate || (raw === null && status === null)

const count = (tally: Tally, one: Case, outcome: Outcome): void => {
  tally.sent++
  if (isUnanswered(one, outcome)) tally.unanswered++
  if (outcome.isInternalError) tally.internalErrors++
  if (one.expects === 'lora') {
    tally.proven++
    if (outcome.isLora) tally.answeredOfProven++
  }
  if (one.expects === 'upstream') tally.unproven++
  if (isWrong(one, outcome)) tally.wrongAnswers++
}

const show = async (
  tally: Tally,
  what: string,
  one: Case,
  fails: (one: Case) => Promise<boolean>
) => {
  if (tally.shown.size >= MOST_SHOWN || tally.shown.has(what + one.name)) return
  tally.shown.add(what + one.name)
  say(`\n${what}\n${textOf(await reduced(one, fails))}`)
}

/** The least delay of a case that is sent again alone: other work of the machine only adds to it. */
const delayOf = async (server: WatchedServer, sender: Sender, one: Case): Promise<number> => {
  const delays: number[] = []
  for (let i = 0; i < AGAIN; i++) {
    await server.blockedMs()
    await sender.send(one)
    delays.push(await server.blockedMs())
  }
  return Math.min(...delays)
}

/** A batch may be late because other processes had the cores: only a case that is late again and alone counts. */
const findBlocking = async (server: WatchedServer, sender: Sender, tally: Tally, batch: Case[]) => {
  for (const one of batch) {
    await server.blockedMs()
    await sender.send(one)
    if ((await server.blockedMs()) <= BAR_MS) continue
    const delayMs = await delayOf(server, sender, one)
    tally.blockedMs = Math.max(tally.blockedMs, delayMs)
    if (delayMs > BAR_MS)
      await show(
        tally,
        'the event loop was blocked',
        one,
        async (other) => (await delayOf(server, sender, other)) > BAR_MS
      )
  }
}

const runBatch = async (server: WatchedServer, sender: Sender, tally: Tally, batch: Case[]) => {
  await accept(sender)
  const outcomes = await Promise.all(batch.map((one) => sender.send(one)))
  if (server.proxy.exited()) throw new Error('the server ended')
  const lateMs = await server.blockedMs()
  tally.lateMs = Math.max(tally.lateMs, lateMs)
  for (const [i, one] of batch.entries()) {
    const outcome = outcomes[i]!
    count(tally, one, outcome)
    if (isWrong(one, outcome))
      await show(
        tally,
        'a lora answered what its proof did not have',
        one,
        async (other) => (await sender.send(other)).isLora
      )
    if (isUnanswered(one, outcome))
      await show(tally, 'no answer', one, async (other) =>
        isUnanswered(other, await sender.send(other))
      )
    if (outcome.isInternalError)
      await show(
        tally,
        'an internal error',
        one,
        async (other) => (await sender.send(other)).isInternalError
      )
  }
  if (lateMs > BAR_MS) await findBlocking(server, sender, tally, batch)
}

/** Least squares over the second half, MiB a minute. */
const slopeOf = (memory: [number, number][]): number => {
  const half = memory.slice(memory.length >> 1)
  const [meanAt, meanMiB] = [0, 1].map(
    (i) => half.reduce((sum, point) => sum + point[i]!, 0) / half.length
  )
  const over = half.reduce((sum, [at, mib]) => sum + (at - meanAt!) * (mib - meanMiB!), 0)
  return over / half.reduce((sum, [at]) => sum + (at - meanAt!) ** 2, 0)
}

const figure = (value: number, unit: string): Figure => ({ value, unit })

const memoryFigures = ({ memory }: Tally, minutes: number): Figures => {
  const slope = figure(slopeOf(memory), 'MiB/min')
  const isLong = minutes >= LEAST_MINUTES_OF_SLOPE
  return {
    memory_slope_second_half: isLong ? withBar(slope, '<=', MAX_MIB_A_MINUTE) : slope,
    memory_at_end_mib: figure(memory.at(-1)?.[1] ?? 0, 'MiB'),
  }
}

const figuresOf = (tally: Tally, crashes: number, minutes: number): Figures => ({
  requests: figure(tally.sent, 'requests'),
  crashes: withBar(figure(crashes, 'ends'), '<=', 0),
  unanswered: withBar(figure(tally.unanswered, 'requests'), '<=', 0),
  internal_errors: withBar(figure(tally.internalErrors, 'requests'), '<=', 0),
  event_loop_blocked_worst_ms: withBar(figure(tally.blockedMs, 'ms'), '<=', BAR_MS),
  event_loop_late_worst_ms: figure(tally.lateMs, 'ms'),
  ...memoryFigures(tally, minutes),
  unproven_requests: figure(tally.unproven, 'requests'),
  answers_to_unproven_requests: withBar(figure(tally.wrongAnswers, 'answers'), '<=', 0),
  // a fuzzer whose route answers nothing would find nothing
  answered_of_proven: withBar(
    figure(tally.answeredOfProven / Math.max(1, tally.proven), 'share'),
    '>=',
    0.9
  ),
})

const fuzz = async (server: WatchedServer, minutes: number, seed: number) => {
  const tally: Tally = {
    sent: 0,
    unanswered: 0,
    internalErrors: 0,
    proven: 0,
    answeredOfProven: 0,
    unproven: 0,
    wrongAnswers: 0,
    blockedMs: 0,
    lateMs: 0,
    memory: [],
    shown: new Set(),
  }
  const sender = createSender(server.port)
  const dice = new Dice(seed)
  const began = performance.now()
  const elapsed = (): number => (performance.now() - began) / 60_000
  let crashes = 0
  try {
    await server.blockedMs()
    while (elapsed() < minutes) {
      const batch = Array.from({ length: BATCH }, () => caseOf(dice.below(2 ** 31)))
      try {
        await runBatch(server, sender, tally, batch)
      } catch (error) {
        crashes++
        say(`\n${String(error)} with one of these cases:\n${batch.map(textOf).join('\n')}`)
        break
      }
      tally.memory.push([elapsed(), server.residentMiB()])
    }
  } finally {
    sender.close()
  }
  return figuresOf(tally, crashes, minutes)
}

const sendOne = async (server: WatchedServer, seed: number): Promise<void> => {
  const sender = createSender(server.port)
  const one = caseOf(seed)
  await accept(sender)
  await server.blockedMs()
  const outcome = await sender.send(one)
  const blockedMs = await server.blockedMs()
  process.stdout.write(
    `${textOf(one)}\n${JSON.stringify({ expects: one.expects, ...outcome, blockedMs })}\n`
  )
  sender.close()
}

const run = async (folder: string): Promise<void> => {
  const upstream = fork(fromRoot('bench/fuzz/upstream-process.ts'), { execArgv: process.execArgv })
  const built = build('fuzz', [
    'src/cli.ts',
    'src/store/thread/thread.ts',
    'adapters/fake/process.ts',
  ])
  let server: WatchedServer | null = null
  try {
    const [port] = (await once(upstream, 'message')) as [number]
    const env = {
      ...loopSettings({ constants: { shedDelayMs: 0 } }),
      DATA_DIR: folder,
      UPSTREAM_BASE_URL: `http://127.0.0.1:${port}/v1`,
    }
    server = await startWatched(env, built.pathOf('src/cli.ts'))
    await goLive(server.proxy, new Dice(args.seed))
    if (args.case !== undefined) return await sendOne(server, Number(args.case))
    const figures = await fuzz(server, args.minutes, args.seed)
    figures['error_lines'] = figure(server.errors.length, 'lines')
    for (const line of new Set(server.errors.slice(0, MOST_SHOWN))) say(line.slice(0, 500))
    conclude(figures, args.out)
  } finally {
    await server?.proxy.stop()
    upstream.kill()
    built.remove()
  }
}

await inFolder('fuzz', run)
