/** Plays all conversations with one client: directly, through the proxy, and with the routes of its own traffic. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProxy, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { API_KEY, createOpenAiUpstream } from '../clients/openai-upstream.ts'
import type { Client } from './clients.ts'
import { differencesOf, unexpectedOf } from './compare.ts'
import {
  conversationOf,
  expectedOf,
  MODEL,
  SCENARIOS,
  type Conversation,
  type Outcome,
  type Plan,
  type Scenario,
} from './conversations.ts'
import { openFront, type Passed, type Turns } from './front.ts'
import { LOOP_ENV, untilSettled } from './go-live.ts'
import { runClient } from './run-client.ts'
import { warehouse } from './warehouse.ts'

/** Requests of a scenario that a lora might have answered, and those that it did. */
export interface Share {
  answered: number
  asked: number
}

export interface Played {
  /** of each run, what differs from the direct one; of `direct`, what differs from what is right */
  differences: Record<string, string[]>
  /** with every turn open to loras */
  shares: Record<Scenario, Share>
  /** why the upstream answered then, and how often */
  reasons: Record<string, number>
  liveRoutes: number
}

const CONCURRENCY = 6
/** Conversations of each scenario to learn from: a template needs 600 requests (`LOOP_ENV`). */
const LEARNED: Record<Scenario, number> = {
  single: 330,
  stream: 300,
  structured: 630,
  tools: 220,
  chat: 180,
}
/** Learned and compared conversations are of different orders. */
const FIRST_LEARNED = 10_000
const FIRST_COMPARED = 50_000
const FIRST_FAULTY = 90_000
const SCENARIO_STEP = 1000

const numbered = (first: number, countOf: (scenario: Scenario) => number): Conversation[] =>
  SCENARIOS.flatMap((scenario, index) =>
    Array.from({ length: countOf(scenario) }, (_, at) =>
      conversationOf(scenario, first + index * SCENARIO_STEP + at)
    )
  )

/** What every client must report as the upstream's error: a wrong key, and a model that there is not. */
const FAULTS: Pick<Plan, 'apiKey' | 'model'>[] = [
  { apiKey: 'sk-wrong', model: MODEL },
  { apiKey: API_KEY, model: 'gpt-none' },
]
const FAULTY = SCENARIOS.map((scenario, index) =>
  conversationOf(scenario, FIRST_FAULTY + index * SCENARIO_STEP)
)

const startUpstream = async () => {
  const respond = createOpenAiUpstream(warehouse)
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = incoming
      const body = Buffer.concat(chunks)
      respond({ method, url, headers, rawHeaders, body }, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Told of the progress of a step, in conversations. */
export type Tell = (step: string, done: number, all: number) => void

interface Run {
  outcomes: Outcome[]
  passed: Passed[]
}

const play = async (
  client: Client,
  target: string,
  { turns = 'all', plans, step, tell }: { turns?: Turns; plans: Plan[]; step: string; tell: Tell }
): Promise<Run> => {
  const front = await openFront(target, turns)
  const all = plans.reduce((sum, { conversations }) => sum + conversations.length, 0)
  const outcomes: Outcome[] = []
  try {
    for (const plan of plans)
      outcomes.push(
        ...(await runClient(client, { ...plan, baseUrl: front.baseUrl }, () =>
          tell(step, outcomes.length, all)
        ))
      )
    return { outcomes, passed: front.passed }
  } finally {
    await front.close()
  }
}

const planOf = (conversations: Conversation[], who = { apiKey: API_KEY, model: MODEL }): Plan => ({
  ...who,
  baseUrl: '',
  concurrency: CONCURRENCY,
  conversations,
})

const comparedPlans = (count: number): Plan[] => [
  planOf(numbered(FIRST_COMPARED, () => count)),
  // the same numbers under two faults would be one outcome
  ...FAULTS.map((who, index) =>
    planOf(
      FAULTY.map(({ scenario, number }) => conversationOf(scenario, number + index)),
      who
    )
  ),
]

const isFaulty = ({ number }: Outcome): boolean => number >= FIRST_FAULTY

const scenarioOf = (number: number | null): Scenario | undefined =>
  number === null || number >= FIRST_FAULTY
    ? undefined
    : SCENARIOS[Math.floor((number - FIRST_COMPARED) / SCENARIO_STEP)]

const sharesOf = (passed: readonly Passed[]): Record<Scenario, Share> => {
  const shares = Object.fromEntries(
    SCENARIOS.map((scenario) => [scenario, { answered: 0, asked: 0 }])
  ) as Record<Scenario, Share>
  for (const { number, route } of passed) {
    const scenario = scenarioOf(number)
    if (scenario === undefined) continue
    shares[scenario].asked++
    if (route === 'answered') shares[scenario].answered++
  }
  return shares
}

const reasonsOf = (passed: readonly Passed[]): Record<string, number> => {
  const reasons: Record<string, number> = {}
  for (const { number, route, reason } of passed) {
    if (scenarioOf(number) === undefined || route === 'answered') continue
    const text = reason ?? (route === null ? 'no template' : route)
    reasons[text] = (reasons[text] ?? 0) + 1
  }
  return reasons
}

const comparisons = async (
  client: Client,
  proxy: ProxyProcess,
  { direct, plans, tell }: { direct: Run; plans: Plan[]; tell: Tell }
) => {
  const runs: [string, Turns][] = [
    ['adapted', 'all'],
    ['odd turns adapted', 'odd'],
    ['even turns adapted', 'even'],
  ]
  const differences: Record<string, string[]> = {}
  let adapted: Passed[] = []
  for (const [step, turns] of runs) {
    const run = await play(client, proxy.baseUrl, { turns, plans, step, tell })
    differences[step] = differencesOf(direct.outcomes, run.outcomes)
    if (turns === 'all') adapted = run.passed
  }
  return { differences, shares: sharesOf(adapted), reasons: reasonsOf(adapted) }
}

/**
 * @param conversations of each scenario that are compared
 * @throws Error where the client's script, the server or the routes fail
 */
export const playClient = async (
  client: Client,
  conversations: number,
  tell: Tell
): Promise<Played> => {
  const upstream = await startUpstream()
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-clients-'))
  const plans = comparedPlans(conversations)
  try {
    const direct = await play(client, upstream.url, { plans, step: 'direct', tell })
    const unexpected = unexpectedOf(
      direct.outcomes.filter((outcome) => !isFaulty(outcome)),
      ({ scenario, number }) => expectedOf(conversationOf(scenario, number))
    )
    const silent = direct.outcomes.filter((outcome) => isFaulty(outcome) && outcome.error === null)
    const wrong = [
      ...unexpected,
      ...silent.map(({ scenario, number }) => `${scenario} ${number}: no error`),
    ]
    const env = {
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: `${upstream.url}/v1`,
      ...LOOP_ENV,
    }
    const proxy = await startProxy(env, { onLog: () => undefined })
    try {
      const proxied = await play(client, proxy.baseUrl, { plans, step: 'proxied', tell })
      const learned = { ...LEARNED, ...client.learned }
      const lessons = [planOf(numbered(FIRST_LEARNED, (scenario) => learned[scenario]))]
      await play(client, proxy.baseUrl, { plans: lessons, step: 'learning', tell })
      tell('training', 0, 1)
      const liveRoutes = await untilSettled(proxy)
      const { differences, ...rest } = await comparisons(client, proxy, { direct, plans, tell })
      return {
        differences: {
          direct: wrong,
          proxied: differencesOf(direct.outcomes, proxied.outcomes),
          ...differences,
        },
        ...rest,
        liveRoutes,
      }
    } finally {
      await proxy.stop()
    }
  } finally {
    upstream.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
