/**
 * What becomes of a live route when the upstream changes its answers: the rollout to full, the change, the
 * rollback, the successor that learns the new answers, and its promotion. The program acts by itself; the
 * bench sends traffic, watches and keeps the time.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { percent } from '../../src/cli/output.ts'
import {
  rolloutStageOf,
  type Internalization,
  type InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import { stageName } from '../../src/core/rollout/stages.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import type { ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import type { ReplayUpstream } from '../../test/kit/upstream/replay-upstream.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'
import type { Figures } from '../../test/kit/report.ts'

const BATCH = 50
const POLL_MS = 1_000
/** More traffic is sent when no more audits than these wait: else it would be used up before they decide. */
const MOST_WAITING = 25
/** Audits wait until the lora has answered them; a phase ends when this time passes without a change. */
const PATIENCE_MS = 60_000

/** New answer by old answer. @throws Error when the file is not an object of texts */
export const readShift = (path: string): ReadonlyMap<string, string> => {
  const changes: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const entries = typeof changes === 'object' && changes !== null ? Object.entries(changes) : []
  if (entries.length === 0 || !entries.every(([, value]) => typeof value === 'string'))
    throw new Error(`${path} must be an object of old and new answers`)
  return new Map(entries as [string, string][])
}

export interface Moment {
  seconds: number
  event: string
}

const stateEvent = (state: InternalizationState): string => {
  const stage = rolloutStageOf(state)
  if (stage !== null) return `live, ${stageName(stage)}`
  return 'reason' in state ? `${state.name}: ${state.reason}` : state.name
}

/** Follows all internalizations, and notes each change of a state. */
class Watcher {
  readonly timeline: Moment[] = []
  private readonly begun = performance.now()
  private readonly seen = new Map<string, string>()
  private readonly proxy: ProxyProcess

  constructor(proxy: ProxyProcess) {
    this.proxy = proxy
  }

  note(event: string): void {
    const seconds = Math.round((performance.now() - this.begun) / 1000)
    this.timeline.push({ seconds, event })
    process.stderr.write(`${seconds} s: ${event}\n`)
  }

  /** @returns oldest first */
  async look(): Promise<Internalization[]> {
    const { data } = await this.proxy.admin<{ data: Internalization[] }>('/internalizations')
    data.forEach(({ id, state }, i) => {
      const event = stateEvent(state)
      if (this.seen.get(id) !== event) this.note(`internalization ${i + 1}: ${event}`)
      this.seen.set(id, event)
    })
    return data
  }
}

type Reached = (rows: Internalization[]) => boolean

/** Audits of all live routes without the lora's answer yet. */
const waitingAudits = async (proxy: ProxyProcess, rows: Internalization[]): Promise<number> => {
  let waiting = 0
  for (const { id } of rows.filter(({ state }) => state.name === 'live'))
    waiting += (await rolloutOf(proxy, id))?.waiting ?? 0
  return waiting
}

/** Sends requests until something is reached. @returns false when they are used up, and it never was */
const sendUntil = async (
  { proxy, watcher, requests }: { proxy: ProxyProcess; watcher: Watcher; requests: ChatRequest[] },
  isReached: Reached
): Promise<boolean> => {
  for (;;) {
    const rows = await watcher.look()
    if (isReached(rows)) return true
    if (requests.length === 0) return waitUntil(watcher, isReached, PATIENCE_MS)
    if ((await waitingAudits(proxy, rows)) <= MOST_WAITING)
      await sendAll(proxy.baseUrl, requests.splice(0, BATCH), { concurrency: 8, onDone: () => {} })
    await delay(POLL_MS)
  }
}

const waitUntil = async (
  watcher: Watcher,
  isReached: Reached,
  limitMs: number
): Promise<boolean> => {
  for (const end = performance.now() + limitMs; performance.now() < end; await delay(POLL_MS))
    if (isReached(await watcher.look())) return true
  return false
}

const isFull: Reached = ([first]) => first !== undefined && rolloutStageOf(first.state)?.share === 1
const isRolledBack: Reached = ([first]) =>
  first?.state.name === 'retired' && first.state.evidence !== undefined
/** Began after the first route was rolled back. */
const successorIn = (rows: Internalization[]): Internalization | undefined =>
  rows.find(({ createdAt }) => createdAt > rows[0]!.updatedAt)
const hasSuccessor: Reached = (rows) => isRolledBack(rows) && successorIn(rows) !== undefined
const ENDS = new Set(['live', 'rejected', 'failed'])
const isSuccessorJudged: Reached = (rows) => ENDS.has(successorIn(rows)?.state.name ?? '')

export interface ShiftRun {
  proxy: ProxyProcess
  upstream: ReplayUpstream
  /** sent in this order; each is taken out */
  requests: ChatRequest[]
  shift: ReadonlyMap<string, string>
  /** for the training and the verdict of the successor */
  limitMs: number
}

/** The part of the worker's report that is read. */
interface Rollout {
  waiting: number
  evidence: { pairs: number }
}

/** @returns null before the worker has seen it live */
const rolloutOf = async (proxy: ProxyProcess, id: string): Promise<Rollout | null> =>
  (await proxy.admin<{ rollout: Rollout | null }>(`/internalizations/${id}`)).rollout

/** What became of both internalizations. */
interface Ending {
  isBack: boolean
  /** pairs of the first route when the answers changed */
  before: number
  successor: Internalization | undefined
}

const figuresAt = async (
  proxy: ProxyProcess,
  first: Internalization,
  { isBack, before, successor }: Ending
): Promise<Figures> => {
  const evidence = first.state.name === 'retired' ? first.state.evidence : undefined
  const winner = successor === undefined ? null : await winnerOf(proxy, successor.id)
  return {
    rolled_back: { value: Number(isBack), unit: '' },
    pairs_to_rollback: {
      value: evidence === undefined ? '–' : evidence.pairs - before,
      unit: 'pairs',
    },
    pairs_before_shift: { value: before, unit: 'pairs' },
    live_again: { value: Number(successor?.state.name === 'live'), unit: '' },
    ...(winner && {
      successor_coverage: { value: percent(winner.coverage), unit: '' },
      successor_agreement: { value: percent(winner.agreementAnswered), unit: '' },
    }),
  }
}

/** The figures, and the timeline since the first route went live. */
export const followShift = async ({
  proxy,
  upstream,
  requests,
  shift,
  limitMs,
}: ShiftRun): Promise<{ figures: Figures; timeline: Moment[] }> => {
  const watcher = new Watcher(proxy)
  const sending = { proxy, watcher, requests }
  const isReady = await sendUntil(sending, isFull)
  const [first] = await watcher.look()
  // else pairs from before the change would come after it
  while ((await waitingAudits(proxy, [first!])) > 0) await delay(POLL_MS)
  const before = (await rolloutOf(proxy, first!.id))!.evidence.pairs
  upstream.change((answer) => shift.get(answer) ?? answer)
  watcher.note(`the upstream gives other answers to ${shift.size} of its answers`)
  const isBack = isReady && (await sendUntil(sending, isRolledBack))
  const isFollowed = isBack && (await sendUntil(sending, hasSuccessor))
  if (isFollowed) await waitUntil(watcher, isSuccessorJudged, limitMs)
  const rows = await watcher.look()
  const ending = { isBack, before, successor: isBack ? successorIn(rows) : undefined }
  return { timeline: watcher.timeline, figures: await figuresAt(proxy, rows[0]!, ending) }
}

const winnerOf = async (proxy: ProxyProcess, id: string) => {
  const { verdict } = await proxy.admin<Internalization>(`/internalizations/${id}`)
  return verdict?.arms[verdict.arm] ?? null
}
