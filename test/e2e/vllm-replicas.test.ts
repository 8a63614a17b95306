/**
 * Replicas of vLLM behind a plain balancer find loras in a folder and are told of none. One is killed
 * and started again with nothing in memory while requests run: nobody gets an answer of another lora, and
 * nobody gets an error. With a stand-in, and with vLLM itself where VLLM_COMMAND says how it is started.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import type { Route } from '../../src/core/route/route.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { RandomModelOptions } from '../kit/model/random-model.ts'
import { BY_STAND_IN, startGpuProcess, type GpuProcess } from '../kit/process/gpu-process.ts'
import {
  chatBody,
  LIMITS,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
} from '../kit/proxy/harness.ts'
import { ROUTE } from '../kit/proxy/lora-route.ts'
import { ANSWERS } from '../kit/records/route-rules.ts'
import { CPU_ENV, WIDE } from '../kit/vllm/itself.ts'
import { startReplicas } from '../kit/vllm/replica.ts'
import { answerOf, requestOf, TinyLoras } from '../kit/vllm/tiny-loras.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

interface Serving {
  name: string
  command: string
  env?: NodeJS.ProcessEnv
  shape?: Omit<RandomModelOptions, 'seed'>
}

const vllm = process.env['VLLM_COMMAND'] ?? ''

const SERVINGS: Serving[] = [
  { name: 'stand-ins', command: BY_STAND_IN.ENGINE_VLLM_COMMAND },
  {
    name: vllm === '' ? 'vLLM itself (VLLM_COMMAND does not say how it is started)' : 'vLLM itself',
    command: vllm,
    shape: WIDE,
    env: CPU_ENV,
  },
]

/** vLLM itself takes minutes on two busy cores. */
const START_MS = 1_800_000
const LABELS = ['card', 'cash', 'fee', 'limit', 'pin', 'rate', 'swap', 'top']
const PROMPTS = ['Sort the question.', 'Name its topic.']
const QUERIES = Array.from({ length: 200 }, (_, at) => `Where is number ${at * 37}?`)

const routeOf = (lora: string, prompt: string, at: number): Route => ({
  ...ROUTE,
  lora,
  threshold: -1e9,
  internalizationId: `internalization-${at}`,
  answers: { ...ANSWERS, labels: LABELS },
  template: {
    ...ROUTE.template,
    version: `version-${at}`,
    messages: [
      { role: 'system', segments: [{ kind: 'anchor', text: prompt }] },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
  },
})

interface Counts {
  answered: number
  fallback: number
  wrong: number
  failed: number
}

const describeReplicas = ({ command, env = {}, shape }: Serving): void => {
  const folder = sharedFolder()
  /** what the stand-ins were told, and found */
  let notes: string
  let tiny: TinyLoras
  let loras: string[]
  /** of a query and a lora, where every other lora and the base model choose another label */
  let expected: { query: string; answers: string[] }[]
  let servers: Awaited<ReturnType<typeof startReplicas>>
  let engine: GpuProcess
  let proxy: Harness

  beforeAll(async () => {
    notes = join(folder, 'notes')
    mkdirSync(notes)
    tiny = await TinyLoras.write(folder, shape)
    loras = [await tiny.add(1, 0.6), await tiny.add(2, 0.6)]
    const embedded = await tiny.embedded()
    expected = []
    for (const query of QUERIES) {
      const answers: string[] = []
      for (const model of [...loras, 'tiny']) {
        const messages = [{ role: 'user', content: query }]
        const bounds = { structured_outputs: { choice: LABELS }, max_tokens: 64 }
        answers.push((await answerOf(embedded, requestOf(model, { messages, ...bounds }))).text)
      }
      if (new Set(answers).size === answers.length) expected.push({ query, answers })
      if (expected.length === 12) break
    }
    await embedded.close()
    servers = await startReplicas(2, {
      command,
      modelPath: tiny.modelPath,
      loraFolder: join(folder, 'shared'),
      env: { ...process.env, ...env, STAND_IN_FOLDER: notes },
    })
    engine = await startGpuProcess({
      modelPath: tiny.modelPath,
      dataDir: tiny.dataDir,
      env: { LOG_LEVEL: 'silent', ...servers.env },
    })
    const table = compileRouteTable(loras.map((lora, at) => routeOf(lora, PROMPTS[at]!, at)))
    proxy = await startHarness({
      routes: () => table,
      engines: new Map([['hand', createEngine({ name: 'hand', ...engine, fetch })]]),
      limits: { ...LIMITS, adaptedTimeoutMs: 60_000 },
      breaker: { maxFailures: 3, pauseMs: 1 },
    })
    // the upstream accepts the credential
    await proxy.send(UNMATCHED_BODY)
  })

  afterAll(async () => {
    await proxy?.close()
    await engine?.close()
    await servers?.close()
    tiny.close()
  })

  /** Two clients at a time ask both loras until the work has ended. */
  const askDuring = async (work: Promise<unknown>, least = 0): Promise<Counts> => {
    const counts: Counts = { answered: 0, fallback: 0, wrong: 0, failed: 0 }
    const over = new AbortController()
    void work.finally(() => over.abort()).catch(() => undefined)
    const ask = async (client: number): Promise<void> => {
      for (let at = client; !over.signal.aborted || counts.answered < least; at++) {
        const { query, answers } = expected[at % expected.length]!
        const lora = (at + client) % loras.length
        const messages = [
          { role: 'system', content: PROMPTS[lora] },
          { role: 'user', content: query },
        ]
        const answer = await proxy.send(chatBody('', { messages }))
        const route = answer.headers['x-promptintern-route']
        const content = answer.status === 200 && JSON.parse(answer.text).choices[0].message.content
        if (route === 'answered' && content === answers[lora]) counts.answered++
        else if (route === 'answered') counts.wrong++
        else if (content === 'from the upstream') counts.fallback++
        else counts.failed++
      }
    }
    await Promise.all([ask(0), ask(1)])
    await work
    return counts
  }

  const resolved = (): string[] =>
    readFileSync(join(notes, 'calls'), 'utf8')
      .split('\n')
      .filter((call) => call.startsWith('resolve'))

  it('loses and mistakes no answer while one is started again', async () => {
    expect(expected.length).toBeGreaterThan(3)
    const before = await askDuring(delay(0), 20)
    expect(before).toMatchObject({ wrong: 0, failed: 0 })
    const during = await askDuring(
      (async () => {
        await delay(300)
        await servers.replicas[1]!.kill()
        await delay(1000)
        await servers.replicas[1]!.start()
      })()
    )
    expect(during).toMatchObject({ wrong: 0, failed: 0 })
    expect(during.fallback).toBeGreaterThan(0)
    const after = await askDuring(delay(0), 20)
    expect(after).toMatchObject({ wrong: 0, failed: 0 })
    if (command !== vllm)
      // by the two at first, and by the one that was started again
      expect(resolved().sort()).toEqual(
        loras.flatMap((lora) => [1, 2, 3].map(() => `resolve ${lora}`)).sort()
      )
  })

  it('gives no answer of a replica that answers every name by its base model', async () => {
    await servers.replicas[1]!.kill()
    await servers.replicas[1]!.start({ VLLM_SKIP_MODEL_NAME_VALIDATION: '1' })
    const during = await askDuring(delay(500))
    expect(during).toMatchObject({ wrong: 0, failed: 0 })
    expect(during.fallback).toBeGreaterThan(0)
    await servers.replicas[1]!.kill()
    await servers.replicas[1]!.start()
    expect(await askDuring(delay(0), 20)).toMatchObject({ wrong: 0, failed: 0 })
  })
}

vi.setConfig({ testTimeout: START_MS, hookTimeout: START_MS })
for (const serving of SERVINGS)
  if (serving.command === '')
    describe.skip(`replicas: ${serving.name}`, () => it('is skipped', () => undefined))
  else describe(`replicas: ${serving.name}`, () => describeReplicas(serving))
