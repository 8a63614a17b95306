/**
 * The product's proof on an agent's traffic, as a black box: ten functions, up to five turns, a base model on
 * the CPU. Conversations in, verdict out, then fresh conversations at every turn, and what generation within the
 * functions' schemas is worth. docs/experiments.md#agent
 *
 *   npm run bench:agent -- --model <file.gguf> [--out file.json]
 */
import { setTimeout as delay } from 'node:timers/promises'
import OpenAI from 'openai'
import { createProgress } from '../src/cli/output.ts'
import { answerFault } from '../src/core/answer/answer-rules.ts'
import { agree, NO_FOLDS } from '../src/core/answer/agreement.ts'
import { callsText, isCallText } from '../src/core/answer/calls.ts'
import { createAnswerFormats } from '../src/core/answer/schema/answer-schema.ts'
import { winningLora, type Internalization } from '../src/core/internalization/internalization.ts'
import { toolTurns } from '../src/core/request/tool-turns.ts'
import { adaptedRequest } from '../src/core/route/route.ts'
import type { Template } from '../src/core/template/template.ts'
import type { ChatRequest } from '../src/openai/chat.ts'
import { seededRandom } from '../src/random.ts'
import {
  drawConversations,
  requestAt,
  toolCalls,
  turnsOf,
  type Conversation,
  type Turn,
} from './agent/desk.ts'
import { matching } from '../test/kit/model/adapted.ts'
import { inLanes } from '../test/kit/traffic/lanes.ts'
import { startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../test/kit/upstream/replay-upstream.ts'
import { minutesToVerdict, waitForVerdict } from '../test/kit/process/internalizations.ts'
import { type Figure, type Figures } from '../test/kit/report.ts'
import { embeddedEngine } from './task/engines.ts'
import { trainingFigures } from './task/figures.ts'
import { benchmark } from './harness/measure.ts'
import { optional, readOptions } from './harness/options.ts'
import { changedConstants } from '../test/kit/process/loop-settings.ts'

const MODEL = 'gpt-4o-mini'
const LANES = 8
/** The proxy looks for new routes every second; until then requests go to the upstream. */
const ROUTE_PICKUP_MS = 2000

const args = readOptions({
  model: optional,
  train: 900,
  holdout: 600,
  minutes: 10,
  // fresh conversations, all turns of each
  test: 150,
  // turns of these that are also asked without bounds
  unbound: 200,
  seed: 20261128,
})
if (args.model === undefined) throw new Error('--model is needed')
const taskEngine = embeddedEngine(args.model, null)
const progress = createProgress()

/** One turn: what the client asks, and what the upstream says. */
interface Asked {
  request: ChatRequest
  turn: number
  /** calls as text, or the text */
  expected: string
}

const textOf = (turn: Turn): string =>
  'text' in turn ? turn.text : callsText(toolCalls(turn.calls, 0))!

const turnsAsked = (conversation: Conversation): Asked[] =>
  turnsOf(conversation).map((said, turn) => ({
    request: requestAt(conversation, turn, MODEL),
    turn,
    expected: textOf(said),
  }))

/** @param upstream gets to know all turns */
const teach = (upstream: ReplayUpstream, conversations: Conversation[]): void => {
  for (const conversation of conversations)
    for (const [turn, said] of turnsOf(conversation).entries()) {
      const request = requestAt(conversation, turn, MODEL)
      const answer = 'text' in said ? said.text : { toolCalls: toolCalls(said.calls, turn) }
      const estimatedTokens = Math.ceil(JSON.stringify(request).length / 4)
      upstream.add(request.messages, answer, estimatedTokens)
    }
}

interface Answered extends Asked {
  given: string
  isByLora: boolean
}

/** All turns of each conversation, one after the other, with the history that the upstream made. */
const converse = async (
  proxy: ProxyProcess,
  conversations: Conversation[],
  what: string
): Promise<Answered[][]> => {
  const client = new OpenAI({ baseURL: `${proxy.baseUrl}/v1`, apiKey: 'bench', maxRetries: 0 })
  const answered: Answered[][] = conversations.map(() => [])
  let done = 0
  await inLanes(LANES, conversations, async (conversation, index) => {
    for (const asked of turnsAsked(conversation)) {
      const { data, response } = await client.chat.completions
        .create(asked.request as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming)
        .withResponse()
      const { content, tool_calls: calls } = data.choices[0]!.message
      answered[index]!.push({
        ...asked,
        given: calls === undefined ? (content ?? '') : (callsText(calls) ?? 'no JSON'),
        isByLora: response.headers.get('x-promptintern-route') === 'answered',
      })
    }
    progress.update(what, ++done, conversations.length)
  })
  return answered
}

const share = (items: readonly unknown[], of: readonly unknown[]): Figure => ({
  value: of.length === 0 ? 0 : items.length / of.length,
  unit: 'share',
})

const isRight = ({ given, expected }: Answered): boolean =>
  given === expected ||
  (isCallText(expected) && agree({ responseType: 'calls', folds: NO_FOLDS }, given, expected))

const formats = createAnswerFormats()

const routeFigures = (
  conversations: Answered[][],
  internalization: Internalization,
  template: Template
): Figures => {
  const all = conversations.flat()
  const byLora = all.filter(({ isByLora }) => isByLora)
  const calls = byLora.filter(({ expected }) => isCallText(expected))
  const texts = byLora.filter(({ expected }) => !isCallText(expected))
  const { answers } = internalization.plan!
  const valid = byLora.filter(
    ({ given, request }) => answerFault(given, request, { answers, template }, formats) === null
  )
  const turns = Math.max(...all.map(({ turn }) => turn)) + 1
  return {
    coverage: share(byLora, all),
    agreement_answered: share(byLora.filter(isRight), byLora),
    agreement_calls: share(calls.filter(isRight), calls),
    agreement_texts: share(texts.filter(isRight), texts),
    valid_answered: share(valid, byLora),
    ...Object.fromEntries(
      Array.from({ length: turns }, (_, turn) => {
        const at = all.filter((one) => one.turn === turn)
        return [
          `coverage_turn_${turn + 1}`,
          share(
            at.filter(({ isByLora }) => isByLora),
            at
          ),
        ]
      })
    ),
    conversations_all_right: share(
      conversations.filter((turnsOfOne) => turnsOfOne.every(isRight)),
      conversations
    ),
  }
}

/** What the lora says to the same turns within the schemas and without. */
const boundFigures = async (
  dataDir: string,
  internalization: Internalization,
  template: Template,
  asked: Asked[]
): Promise<Figures> => {
  const lora = winningLora(internalization)
  if (lora === null) return {}
  const { engine, close } = await taskEngine.open(dataDir)
  const { answers } = internalization.plan!
  const match = matching(template)
  const figures: Figures = {}
  try {
    for (const name of ['bound', 'unbound']) {
      const rows: { isCall: boolean; isValid: boolean; isRight: boolean }[] = []
      await inLanes(LANES, asked, async (one) => {
        const { expected, turn } = one
        // as the proxy reads it
        const request = { ...one.request, messages: toolTurns(one.request.messages) }
        const matched = match(request)
        if (matched === null) return
        const bound = adaptedRequest({ lora, answers }, matched, request)
        const { structured_outputs: _, ...unbound } = bound
        const completion = await engine.complete(name === 'bound' ? bound : unbound)
        const given = String(completion.choices[0]!.message.content ?? '')
        rows.push({
          isCall: isCallText(given),
          isValid: answerFault(given, request, { answers, template }, formats) === null,
          isRight: isRight({ request, expected, turn, given, isByLora: true }),
        })
        progress.update(`${name} generation`, rows.length, asked.length)
      })
      const calls = rows.filter(({ isCall }) => isCall)
      figures[`right_${name}`] = share(
        rows.filter((row) => row.isRight),
        rows
      )
      figures[`valid_calls_${name}`] = share(
        calls.filter(({ isValid }) => isValid),
        calls
      )
    }
    return figures
  } finally {
    await close()
  }
}

/** As many conversations as the proof needs rows, and fresh ones; the upstream knows them all. */
const drawTraffic = (
  upstream: ReplayUpstream
): [traffic: Conversation[], fresh: Conversation[]] => {
  const wanted = args.train + args.holdout
  const conversations = drawConversations(wanted, seededRandom(args.seed))
  let turns = 0
  const traffic = conversations.filter((one) => {
    const isNeeded = turns < wanted * 1.05
    turns += turnsOf(one).length
    return isNeeded
  })
  const fresh = conversations.slice(traffic.length, traffic.length + args.test)
  teach(upstream, [...traffic, ...fresh])
  return [traffic, fresh]
}

const environment = (dataDir: string, upstream: ReplayUpstream): Record<string, string> => ({
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ...taskEngine.environment,
  AUTO_PROMOTE: 'true',
  ROLLOUT_STAGES: '1',
  ARMS: 'query-only',
  ...changedConstants({
    auditShare: 0,
    trainRows: args.train,
    holdoutRows: args.holdout,
    startExchanges: args.train + args.holdout,
  }),
  // the conversations are sent within minutes and do not depend on each other
  BURST_MINUTES: '0',
  TRAIN_MINUTES: String(args.minutes),
})

const run = async (dataDir: string): Promise<Figures> => {
  const upstream = await startReplayUpstream()
  const [traffic, fresh] = drawTraffic(upstream)
  const proxy = await startProxy(environment(dataDir, upstream))
  const figures: Figures = {}
  try {
    const sent = await converse(proxy, traffic, 'traffic')
    const internalization = await waitForVerdict(proxy, (state) =>
      progress.update(`state ${state.name}`, 1, 1)
    )
    const { state, templateVersion } = internalization
    const template = await proxy.admin<Template>(`/templates/${templateVersion}`)
    figures.state = { value: state.name, unit: '' }
    figures.reason = {
      value: 'reason' in state ? state.reason : (internalization.verdict?.reason ?? 'none'),
      unit: '',
    }
    figures.traffic = { value: sent.flat().length, unit: 'requests' }
    Object.assign(figures, trainingFigures(internalization))
    figures.minutes_to_verdict = {
      value: await minutesToVerdict(proxy, internalization),
      unit: 'min',
    }
    await delay(ROUTE_PICKUP_MS)
    const answered = await converse(proxy, fresh, 'fresh conversations')
    await proxy.stop()
    if (internalization.plan !== null) {
      Object.assign(figures, routeFigures(answered, internalization, template))
      const asked = answered.flat().slice(0, args.unbound)
      Object.assign(figures, await boundFigures(dataDir, internalization, template, asked))
    }
  } finally {
    if (!proxy.exited()) await proxy.kill()
    await upstream.close()
  }
  progress.stop()
  return figures
}

await benchmark('agent', args.out, run)
