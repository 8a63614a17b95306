/**
 * Stands in for the command `sky`: `jobs launch`, `queue`, `cancel` and `logs`, with the arguments that
 * the engine gives; any other is an error, as it is for SkyPilot. It asks the API server that
 * SKYPILOT_API_SERVER_ENDPOINT names.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parse, stringify } from 'yaml'

const server = process.env['SKYPILOT_API_SERVER_ENDPOINT'] ?? ''

const fail = (message: string): never => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

const call = async (path: string, init?: RequestInit): Promise<Response> => {
  const response = await fetch(`${server}${path}`, init).catch(() =>
    fail(`Could not connect to SkyPilot API server at ${server}.`)
  )
  if (!response.ok) fail(`HTTPError: ${response.status} for url ${path}`)
  return response
}

const post = (path: string, body: object): Promise<Response> =>
  call(path, { method: 'POST', body: JSON.stringify(body) })

const request = async (path: string, body: object): Promise<unknown> => {
  const id = (await post(path, body)).headers.get('x-skypilot-request-id') ?? ''
  const payload = (await (await call(`/api/get?request_id=${id}`)).json()) as {
    return_value: string
  }
  return JSON.parse(payload.return_value)
}

const [noun, verb, ...args] = process.argv.slice(2)
const text = { type: 'string' as const }
const flag = { type: 'boolean' as const }
const verbs: Record<string, () => Promise<void>> = {
  async launch() {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { name: text, env: { ...text, multiple: true }, 'detach-run': flag, yes: flag },
    })
    const task = parse(readFileSync(positionals[0] ?? '', 'utf8')) as { envs?: object }
    const envs = (values.env ?? []).map((pair) => pair.split(/=(.*)/s).slice(0, 2))
    const merged = { ...task, envs: { ...task.envs, ...Object.fromEntries(envs) } }
    await request('/jobs/launch', { task: stringify(merged), name: values.name })
  },
  async queue() {
    parseArgs({ args, options: { all: flag, verbose: flag, output: text } })
    const { jobs } = (await request('/jobs/queue/v2', {})) as { jobs: object[] }
    process.stdout.write(`A warning.\n${JSON.stringify(jobs, null, 2)}\n`)
  },
  async cancel() {
    const { values } = parseArgs({ args, options: { name: text, yes: flag } })
    await request('/jobs/cancel', { name: values.name })
  },
  async logs() {
    const { positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { 'no-follow': flag },
    })
    const answer = await post('/jobs/logs', { job_id: Number(positionals[0]), follow: false })
    process.stdout.write(await answer.text())
  },
}
const run = noun === 'jobs' ? verbs[verb ?? ''] : undefined
await (run ?? (() => fail(`No such command '${verb}'.`)))()
