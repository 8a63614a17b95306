/**
 * Runs the detector over a labelled stream and prints what it found against the labels, what a
 * request costs, and how much memory the process took. With --distinct, a stream of prompts that
 * never recur shows the memory bound instead.
 *
 *   npm run bench:detect -- --traffic stream.jsonl --out report.json
 *   npm run bench:detect -- --synthetic 1          (a generated stream; the number is its seed)
 *   npm run bench:detect -- --distinct 10000000
 */
import { Detector, DEFAULT_DETECTOR_OPTIONS } from '../src/core/detect/detect.ts'
import { optional, readOptions } from './harness/options.ts'
import { runBuilt } from './harness/run-built.ts'
import { scoreTemplates } from '../test/kit/traffic/score.ts'
import { readStream, type StreamRow } from '../test/kit/traffic/stream.ts'
import { syntheticStream } from '../test/kit/traffic/synthetic.ts'
import { conclude, spread, withBar, zero, type Figure, type Figures } from '../test/kit/report.ts'
import type { ChatRequest } from '../src/openai/chat.ts'
import type { TemplateKey } from '../src/core/template/template.ts'
import { seededRandom } from '../src/random.ts'

/** the stream's time 0 to 1 stands for a week */
const STREAM_MS = 7 * 24 * 3600 * 1000
const SCRIPT = 'bench/detect.ts'
const COST_RUNS = 5
const KEY: TemplateKey = { tenant: 'bench', model: 'bench', tools: '', responseFormat: '' }

const args = readOptions({
  // a labelled stream, JSONL in time order
  traffic: optional,
  synthetic: 1,
  distinct: optional,
  minSessions: DEFAULT_DETECTOR_OPTIONS.minSessions,
})

const WORDS =
  'account answer between certain customer decide exactly follow general however include journey known letter market never order people question rather second table under value without yellow'.split(
    ' '
  )

const sentence = (random: () => number, words: number): string => {
  let text = ''
  for (let index = 0; index < words; index++) {
    text += `${WORDS[Math.floor(random() * WORDS.length)]!} `
  }
  return text
}

const BODY_CHARS = 8192

/** Bodies of about 8 KB: one template of 100-character lines, another query each. */
const bodies = (count: number, seed: number): string[] => {
  const random = seededRandom(seed)
  let prompt = ''
  while (prompt.length < BODY_CHARS - 500) prompt += `- ${sentence(random, 14).trim()}.\n`
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: prompt },
        { role: 'user', content: `${index} ${sentence(random, 40)}` },
      ],
    })
  )
}

interface Cost {
  observeUs: number
  parseUs: number
}

/** Mean microseconds of one pass over fresh bodies; parse and observe alternate, so load hits both. */
const measureCost = (detector: Detector, key: TemplateKey, seed: number): Cost => {
  const batch = bodies(2000, seed)
  let parseMs = 0
  let observeMs = 0
  for (const [index, body] of batch.entries()) {
    const start = performance.now()
    const request = JSON.parse(body) as ChatRequest
    const parsed = performance.now()
    detector.observe({ key, messages: request.messages, response: `label ${index % 7}`, at: index })
    observeMs += performance.now() - parsed
    parseMs += parsed - start
  }
  return {
    observeUs: (observeMs * 1000) / batch.length,
    parseUs: (parseMs * 1000) / batch.length,
  }
}

/**
 * Feeds prompts that never recur: a one-off system message and a question, 200 to 1,200
 * characters. Words recur, lines do not.
 */
const feedDistinct = (
  detector: Detector,
  key: TemplateKey,
  count: number,
  progress: (done: number) => void
): void => {
  const random = seededRandom(count)
  for (let index = 0; index < count; index++) {
    const lines = 1 + Math.floor(random() * 6)
    let text = ''
    for (let line = 0; line < lines; line++) text += `${index}.${line} ${sentence(random, 12)}\n`
    detector.observe({
      key,
      messages: [
        { role: 'system', content: text },
        { role: 'user', content: `${sentence(random, 8)}${index}` },
      ],
      response: `answer ${index}`,
      at: index,
    })
    if ((index + 1) % 100_000 === 0) progress(index + 1)
  }
}

const peakMb = (): number => process.resourceUsage().maxRSS / 1024

async function* rowsOf(): AsyncIterable<StreamRow> {
  if (args.traffic !== undefined) yield* readStream(args.traffic)
  else yield* syntheticStream(args.synthetic)
}

/** First pass: the detector sees messages, answers and times, nothing else. */
const replay = async (detector: Detector): Promise<number> => {
  let rows = 0
  let elapsedMs = 0
  for await (const { messages, response, t } of rowsOf()) {
    const start = performance.now()
    detector.observe({ key: KEY, messages, response, at: t * STREAM_MS })
    elapsedMs += performance.now() - start
    rows++
  }
  return (elapsedMs * 1000) / Math.max(1, rows)
}

const countOf = (items: string[]): Figure => ({ value: items.length, unit: 'templates' })

const memoryFigures = (detector: Detector): Figures => ({
  peak_mb: withBar({ value: peakMb(), unit: 'MB' }, '<=', 128),
  detector_mb: { value: detector.bytes / 2 ** 20, unit: 'MB' },
})

const costFigures = (): Figures => {
  const detector = new Detector()
  measureCost(detector, KEY, 0)
  const costs = Array.from({ length: COST_RUNS }, (_, run) => measureCost(detector, KEY, run + 1))
  const parse = spread(
    costs.map(({ parseUs }) => parseUs),
    'µs'
  )
  const observe = spread(
    costs.map(({ observeUs }) => observeUs),
    'µs'
  )
  const ratio = spread(
    costs.map(({ observeUs, parseUs }) => observeUs / parseUs),
    'times one JSON.parse of the same 8 KB body'
  )
  return {
    us_per_request: { ...observe, bar: '<= 8 × json_parse_us', holds: Number(ratio.value) <= 8 },
    json_parse_us: parse,
    observe_to_parse_ratio: withBar(ratio, '<=', 8),
  }
}

const streamFigures = async (): Promise<Figures> => {
  const { minSessions } = args
  const detector = new Detector({ minSessions })
  const streamUs = await replay(detector)
  const memory = memoryFigures(detector)
  const start = performance.now()
  const templates = detector.candidates()
  const candidatesMs = performance.now() - start
  const rows: StreamRow[] = []
  for await (const row of rowsOf()) rows.push(row)
  const score = scoreTemplates(templates, rows, KEY, minSessions)
  for (const line of [
    `found: ${score.found.join(', ')}`,
    ...score.missed.map((name) => `missed: ${name}`),
    ...score.wrong.map((name) => `wrong: ${name}`),
    ...score.mixed.map((name) => `mixed: ${name}`),
  ]) {
    process.stderr.write(`${line}\n`)
  }
  return {
    templates_found: { ...countOf(score.found), bar: 'all', holds: score.missed.length === 0 },
    templates_missed: withBar(countOf(score.missed), '<=', 0),
    templates_wrong: withBar(countOf(score.wrong), '<=', 0),
    versions_mixed: withBar(countOf(score.mixed), '<=', 0),
    template_text_covered: withBar({ value: score.covered, unit: 'share' }, '>=', 0.95),
    stream_us_per_request: { value: streamUs, unit: 'µs' },
    candidates_ms: { value: candidatesMs, unit: 'ms' },
    ...memory,
    ...costFigures(),
  }
}

const distinctFigures = (count: number): Figures => {
  const detector = new Detector()
  const start = performance.now()
  feedDistinct(detector, KEY, count, (done) => {
    const rate = ((performance.now() - start) * 1000) / done
    process.stderr.write(
      `\r${done} requests, ${rate.toFixed(0)} µs each, peak ${peakMb().toFixed(0)} MB`
    )
  })
  process.stderr.write('\n')
  const elapsedUs = (performance.now() - start) * 1000
  return {
    distinct_prompts: { value: count, unit: 'requests' },
    distinct_us_per_request: { value: elapsedUs / count, unit: 'µs, prompt generation included' },
    templates_wrong: zero(detector.candidates().length, 'templates'),
    ...memoryFigures(detector),
  }
}

const figuresOf = async (): Promise<Figures> =>
  args.distinct === undefined ? streamFigures() : distinctFigures(Number(args.distinct))

// memory and time are those of the built detector
if (import.meta.url.endsWith('.ts')) runBuilt('bench-detect', [SCRIPT])
else conclude(await figuresOf(), args.out)
