/** Plays conversations with a client in a process of its own. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { CHROMIUM } from '../browser/chromium.ts'
import type { Client } from './clients.ts'
import { readOutcome, type Outcome, type Plan } from './conversations.ts'
import { commandOf } from './environments.ts'

/** A client that says nothing for so long is ended. */
const SILENCE_MS = 120_000

/** Clients must neither find a proxy of the machine nor report what they do. One of them starts a browser. */
const ENVIRONMENT = {
  NO_PROXY: '*',
  OPENAI_AGENTS_DISABLE_TRACING: '1',
  LANGSMITH_TRACING: 'false',
  LITELLM_LOCAL_MODEL_COST_MAP: 'True',
  HAYSTACK_TELEMETRY_ENABLED: 'False',
  MASTRA_TELEMETRY_DISABLED: '1',
  AI_SDK_LOG_WARNINGS: 'false',
  CHROMIUM_PATH: CHROMIUM ?? '',
}

/**
 * @param onOutcome is told of each conversation
 * @throws Error where the client's process fails or is silent
 */
export const runClient = (
  { environment, script, variant }: Client,
  plan: Plan,
  onOutcome: (outcome: Outcome) => void
): Promise<Outcome[]> =>
  new Promise((resolve, reject) => {
    const [command, args] = commandOf(environment, script)
    const child = spawn(command, [...args, variant], { env: { ...process.env, ...ENVIRONMENT } })
    const outcomes: Outcome[] = []
    let said = ''
    let timer: NodeJS.Timeout
    const listen = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => child.kill('SIGKILL'), SILENCE_MS)
    }
    listen()
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000)
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      listen()
      // some packages write lines of their own
      if (!line.startsWith('{"scenario"')) return
      const outcome = readOutcome(line)
      outcomes.push(outcome)
      onOutcome(outcome)
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(outcomes)
      else reject(new Error(`${script} ${variant} ended with ${code ?? signal}: ${said}`))
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(JSON.stringify(plan))
  })
