/** Load on one server of the proxy benchmark: by wrk where it is installed, else by a small client. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import { isInstalled } from './proxy-processes.ts'
import { REQUEST_BODY, REQUEST_HEADERS, SERIAL } from './proxy-traffic.ts'

export interface Load {
  requests: number
  failed: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
}

export interface LoadOptions {
  port: number
  seconds: number
  /** requests in flight */
  concurrency: number
  /** for files of its own */
  folder: string
}

const PATH = '/v1/chat/completions'

/** Where the serial number of a request stands, so that no two bodies are equal. */
const [BODY_HEAD = '', BODY_TAIL = ''] = REQUEST_BODY.split(SERIAL)

const WRK_SCRIPT = `
local serial = 0
local head = ${JSON.stringify(BODY_HEAD)}
local tail = ${JSON.stringify(BODY_TAIL)}
wrk.method = "POST"
${Object.entries(REQUEST_HEADERS)
  .map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
  .join('\n')}
request = function()
  serial = serial + 1
  return wrk.format(nil, nil, nil, head .. string.format("%0${SERIAL.length}d", serial) .. tail)
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"failed":%d,"seconds":%f,"p50":%f,"p99":%f}\\n',
    summary.requests, errors.connect + errors.read + errors.write + errors.status,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
`

interface WrkSummary {
  requests: number
  failed: number
  seconds: number
  p50: number
  p99: number
}

const loadByWrk = async ({ port, seconds, concurrency, folder }: LoadOptions): Promise<Load> => {
  const script = join(folder, 'post.lua')
  writeFileSync(script, WRK_SCRIPT)
  const url = `http://127.0.0.1:${port}${PATH}`
  const options = ['-t', '1', '-c', String(concurrency), '-d', `${seconds}s`, '--latency']
  const { stdout } = await promisify(execFile)('wrk', [...options, '-s', script, url])
  const summary = JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as WrkSummary
  return {
    requests: summary.requests,
    failed: summary.failed,
    requestsPerSecond: summary.requests / summary.seconds,
    p50Ms: summary.p50,
    p99Ms: summary.p99,
  }
}

const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

const loadByClient = async ({ port, seconds, concurrency }: LoadOptions): Promise<Load> => {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: concurrency })
  const latencies: number[] = []
  let failed = 0
  let serial = 0
  const start = performance.now()
  const end = start + seconds * 1000
  const sendUntilEnd = async (): Promise<void> => {
    while (performance.now() < end) {
      const sentAt = performance.now()
      const body = BODY_HEAD + String(++serial).padStart(SERIAL.length, '0') + BODY_TAIL
      const answer = await pool.request({
        path: PATH,
        method: 'POST',
        headers: REQUEST_HEADERS,
        body,
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
  }
}

export const loadGenerator = isInstalled('wrk') ? 'wrk' : 'own client'

export const load: (options: LoadOptions) => Promise<Load> =
  loadGenerator === 'wrk' ? loadByWrk : loadByClient
