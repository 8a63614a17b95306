/** Load on one server of the proxy benchmark: by wrk where it is installed, else by a small client. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import { isInstalled, type Target } from './processes.ts'
import { percentile } from './percentile.ts'
import { CHAT_PATH, SERIAL } from './traffic.ts'

export interface Load {
  requests: number
  failed: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  p999Ms: number
}

export interface LoadOptions {
  target: Target
  /** with `SERIAL` in it, so that no two bodies are equal */
  body: string
  seconds: number
  /** requests in flight */
  concurrency: number
  /** for files of its own */
  folder: string
}

/** What stands before and behind the serial number. */
const aroundSerial = (body: string): [string, string] => {
  const [head = '', tail = ''] = body.split(SERIAL)
  return [head, tail]
}

/** Formats one request and changes its number: the load generator shares the cores with the servers. */
const wrkScript = ({ body, target }: LoadOptions): string => {
  const [head, tail] = aroundSerial(body)
  return `
local serial = 0
local head = ""
local tail = ""
wrk.method = "POST"
${Object.entries(target.headers)
  .map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
  .join('\n')}
init = function()
  local whole = wrk.format(nil, nil, nil, ${JSON.stringify(head + SERIAL + tail)})
  local from, to = whole:find("${SERIAL}", 1, true)
  head = whole:sub(1, from - 1)
  tail = whole:sub(to + 1)
end
request = function()
  serial = serial + 1
  return head .. string.format("%0${SERIAL.length}d", serial) .. tail
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"failed":%d,"seconds":%f,"p50":%f,"p99":%f,"p999":%f}\\n',
    summary.requests, errors.connect + errors.read + errors.write + errors.status,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3))
end
`
}

interface WrkSummary {
  requests: number
  failed: number
  seconds: number
  p50: number
  p99: number
  p999: number
}

const loadByWrk = async (load: LoadOptions): Promise<Load> => {
  const { target, seconds, concurrency, folder } = load
  const script = join(folder, 'post.lua')
  writeFileSync(script, wrkScript(load))
  const url = `http://127.0.0.1:${target.port}${CHAT_PATH}`
  const options = ['-t', '1', '-c', String(concurrency), '-d', `${seconds}s`, '--latency']
  const { stdout } = await promisify(execFile)('wrk', [...options, '-s', script, url])
  const summary = JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as WrkSummary
  return {
    requests: summary.requests,
    failed: summary.failed,
    requestsPerSecond: summary.requests / summary.seconds,
    p50Ms: summary.p50,
    p99Ms: summary.p99,
    p999Ms: summary.p999,
  }
}

const loadByClient = async ({ target, body, seconds, concurrency }: LoadOptions): Promise<Load> => {
  const [head, tail] = aroundSerial(body)
  const pool = new Pool(`http://127.0.0.1:${target.port}`, { connections: concurrency })
  const latencies: number[] = []
  let failed = 0
  let serial = 0
  const start = performance.now()
  const end = start + seconds * 1000
  const sendUntilEnd = async (): Promise<void> => {
    while (performance.now() < end) {
      const sentAt = performance.now()
      const answer = await pool.request({
        path: CHAT_PATH,
        method: 'POST',
        headers: target.headers,
        body: head + String(++serial).padStart(SERIAL.length, '0') + tail,
      })
      await answer.body.dump()
      if (answer.statusCode !== 200) failed++
      latencies.push(performance.now() - sentAt)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, sendUntilEnd))
  const elapsedSeconds = (performance.now() - start) / 1000
  await pool.close()
  const sorted = latencies.toSorted((a, b) => a - b)
  return {
    requests: latencies.length,
    failed,
    requestsPerSecond: latencies.length / elapsedSeconds,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
  }
}

export const loadGenerator = isInstalled('wrk') ? 'wrk' : 'own client'

export const load: (options: LoadOptions) => Promise<Load> =
  loadGenerator === 'wrk' ? loadByWrk : loadByClient
