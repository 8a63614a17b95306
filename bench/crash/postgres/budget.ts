/** A budget for fewer requests than two proxies get, while something fails. */
import { setTimeout as delay } from 'node:timers/promises'
import { ask, BILLED, REQUEST_USD, statusBecomes } from '../../../test/kit/process/budget-fleet.ts'
import type { ProxyProcess } from '../../../test/kit/process/proxy-process.ts'
import { runCommand } from '../../../test/kit/process/run-command.ts'
import type { ReplayUpstream } from '../../../test/kit/upstream/replay-upstream.ts'
import { patiently } from './cluster.ts'

const IN_BUDGET = 16
const AT_ONCE = 10
const PAUSE_MS = 250
/** within the budget, beyond it, the store does not answer, the proxy was killed */
const EXPECTED = new Set([200, 429, 503, 0])

/** @param options of `keys create` @returns the secret */
export const createKey = async (
  cli: string,
  env: Record<string, string>,
  ...options: string[]
): Promise<string> => {
  const words = ['keys', 'create', '--name', 'crash', '--json', ...options]
  return (JSON.parse(await runCommand(cli, env, ...words)) as { secret: string }).secret
}

const isTrue = (): boolean => true

export interface Spent {
  /** requests that the upstream received */
  used: number
  /** those beyond the budget */
  over: number
  /** answers with another status than they may have */
  unexpected: number
}

export interface BudgetOptions {
  cli: string
  env: Record<string, string>
  upstream: ReplayUpstream
  /** as they are now: a killed one is replaced */
  proxies: ProxyProcess[]
}

/** Issues a key. @returns what asks each proxy in turn while the work goes on, then many times at once */
export const openBudget = async ({
  cli,
  env,
  upstream,
  proxies,
}: BudgetOptions): Promise<(work: Promise<unknown>) => Promise<Spent>> => {
  upstream.add(BILLED.messages, BILLED.answer, BILLED.promptTokens)
  const usd = String(IN_BUDGET * REQUEST_USD)
  const options = ['--budget-usd', usd, '--budget-period', 'total']
  const secret = await patiently(() => createKey(cli, env, ...options))
  for (const proxy of proxies) await statusBecomes(proxy, secret, 200)
  const before = upstream.timesAsked(BILLED.messages)
  let unexpected = 0
  const askEach = async (times: number): Promise<void> => {
    const asked = proxies.flatMap((proxy) => Array.from({ length: times }, () => proxy))
    const statuses = await Promise.all(asked.map((proxy) => ask(proxy, secret)))
    unexpected += statuses.filter((status) => !EXPECTED.has(status)).length
  }
  return async (work) => {
    const end = work.then(isTrue, isTrue)
    while (!(await Promise.race([end, delay(PAUSE_MS, false)]))) await askEach(1)
    await askEach(AT_ONCE)
    const used = upstream.timesAsked(BILLED.messages) - before
    return { used, over: Math.max(0, used - IN_BUDGET), unexpected }
  }
}
