/**
 * Part `profile`: where the proxy's own processor time goes, by V8's sampling profiler in the process under load.
 * A sample belongs to the part whose file is innermost on its stack, so that what Node does for a part counts there.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from '../load/load.ts'
import { startServerWith } from '../load/processes.ts'
import { requestBody } from '../load/traffic.ts'
import type { Figures } from '../../test/kit/report.ts'
import { log, OURS, warmUp, type Part } from './part.ts'

const KILOBYTES = 8
const CONCURRENCY = 64
const SAMPLE_MICROS = 200

/** Folders and files of the built program; of several that fit the longest counts. */
const PARTS: Record<string, string> = {
  'src/server/': 'receive',
  'src/proxy/client/': 'receive',
  'src/proxy/proxy.js': 'receive',
  'src/proxy/completion.js': 'receive',
  '/@hono/node-server/': 'receive',
  '/hono/': 'receive',
  'src/proxy/access/': 'credentials',
  'src/proxy/admit.js': 'credentials',
  'src/core/keys/': 'credentials',
  'src/proxy/envelopes.js': 'scan',
  'src/proxy/read.js': 'scan',
  'src/proxy/kept/': 'scan',
  'src/core/request/': 'scan',
  'src/openai/': 'scan',
  'src/core/match/': 'match',
  'src/proxy/lora/': 'match',
  'src/core/route/': 'route',
  'src/proxy/upstream/': 'forward',
  'src/proxy/respond-from-upstream.js': 'forward',
  'src/proxy/headers.js': 'forward',
  '/undici/': 'forward',
  'src/proxy/after-ours/': 'settle',
  'src/proxy/metrics/': 'settle',
  'src/proxy/exchange.js': 'settle',
  'src/openai/usage/': 'settle',
  'src/proxy/record/': 'record',
  'src/proxy/log-queue.js': 'record',
  'src/core/log/': 'record',
}
const NAMES = [...new Set(Object.values(PARTS)), 'garbage', 'node', 'store_thread', 'store_garbage']
const LONGEST_FIRST = Object.keys(PARTS).toSorted((one, other) => other.length - one.length)

/** As V8 writes it. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[]
  /** microseconds of the machine's monotonic clock */
  startTime: number
  samples: number[]
  /** before each sample, microseconds */
  timeDeltas: number[]
}

type ProfileNode = CpuProfile['nodes'][number]

const partOfUrl = (url: string): string | null => {
  const place = LONGEST_FIRST.find((each) => url.includes(each))
  return place === undefined ? null : PARTS[place]!
}

/** The part of each node, by its id; null: the process waits. */
const partsOf = ({ nodes }: CpuProfile): Map<number, string | null> => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parts = new Map<number, string | null>()
  const visit = ({ id, callFrame, children = [] }: ProfileNode, outer: string | null): void => {
    const { functionName, url } = callFrame
    const part = functionName === '(garbage collector)' ? 'garbage' : (partOfUrl(url) ?? outer)
    parts.set(id, functionName === '(idle)' ? null : (part ?? 'node'))
    for (const child of children) visit(byId.get(child)!, part)
  }
  visit(nodes[0]!, null)
  return parts
}

const isStore = ({ nodes }: CpuProfile): boolean =>
  nodes.some(({ callFrame }) => callFrame.url.includes('src/store/thread/thread.js'))

interface Window {
  /** microseconds of the same clock */
  from: number
  to: number
}

/** Microseconds by part, of the samples within the window. */
export const microsByPart = (profile: CpuProfile, { from, to }: Window): Map<string, number> => {
  const parts = partsOf(profile)
  const ofStore = isStore(profile)
  const sums = new Map<string, number>()
  let at = profile.startTime
  for (const [index, id] of profile.samples.entries()) {
    const micros = profile.timeDeltas[index]!
    at += micros
    const part = parts.get(id) ?? null
    if (part === null || at < from || at > to) continue
    const name = !ofStore ? part : part === 'garbage' ? 'store_garbage' : 'store_thread'
    sums.set(name, (sums.get(name) ?? 0) + micros)
  }
  return sums
}

const clockMicros = (): number => Number(process.hrtime.bigint() / 1_000n)

export const profile: Part = async ({ settings, script, upstream }, add) => {
  const folder = join(settings.folder, 'profile')
  const dataDir = join(folder, 'data')
  const profiles = join(folder, 'profiles')
  const flags = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-interval=${SAMPLE_MICROS}`]
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  const target = await startServerWith(flags, script, OURS, upstreamUrl, dataDir)
  const body = requestBody({ kilobytes: KILOBYTES })
  const loadFor = (seconds: number) =>
    load({ target, body, concurrency: CONCURRENCY, seconds, folder: settings.folder })
  let requests = 0
  const window: Window = { from: 0, to: 0 }
  try {
    await warmUp(settings, async (seconds) => (await loadFor(seconds)).requests)
    window.from = clockMicros()
    for (let round = 0; round < settings.rounds; round++)
      requests += (await loadFor(settings.seconds)).requests
    window.to = clockMicros()
  } finally {
    await target.stop()
  }
  const sums = readdirSync(profiles).map((file) =>
    microsByPart(JSON.parse(readFileSync(join(profiles, file), 'utf8')) as CpuProfile, window)
  )
  const figures: Figures = {}
  for (const name of NAMES) {
    const micros = sums.reduce((sum, each) => sum + (each.get(name) ?? 0), 0)
    figures[`profile_${name}_us`] = { value: micros / requests, unit: 'µs/request' }
  }
  log(`profile of ${requests} requests`)
  add(figures)
}
