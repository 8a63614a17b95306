import { setTimeout as delay } from 'node:timers/promises'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { loadPrices, loadUpstreams } from '../../../config/config-files.ts'
import type { Config } from '../../../config/config.ts'
import { dollars } from '../../../core/cost/economics.ts'
import { findPrice } from '../../../core/cost/prices.ts'
import { AppError } from '../../../errors.ts'
import { measureMove, planMove, type MoveDeps, type MoveOptions } from '../../../worker/move.ts'
import { createAsk } from '../../../worker/replay.ts'
import { visibleName } from '../../../visible-text.ts'
import { templateOf, withStore } from '../../context.ts'
import { moveText } from './move-text.ts'
import { positiveAmount, wholeNumber } from '../../options.ts'
import { createProgress, print, writeError, type OutputOptions } from '../../output.ts'
import { readTitles } from '../../titles.ts'

/** The interval of an agreement near 95 % is then five points wide. */
const REQUESTS = 300
const BUDGET_USD = 5
const SEED = 44

interface Options extends OutputOptions {
  to: string
  requests: number
  budgetUsd: number
  yes?: true
}

/** @throws AppError `invalid-config` without a key */
const depsOf = async (store: MoveDeps['store'], config: Config): Promise<MoveDeps> => {
  const upstreams = await loadUpstreams(config, process.env)
  const ask = createAsk({ standard: config.upstream, upstreams, fetch })
  if (ask === null)
    throw new AppError(
      'invalid-config',
      'a move sends requests with your own key of the upstream: set UPSTREAM_API_KEY'
    )
  return { store, ask, now: Date.now, sleep: (ms) => delay(ms) }
}

/** @throws AppError `invalid-request` where nobody can be asked */
const isWanted = async (question: string, { yes }: Options): Promise<boolean> => {
  writeError(`${question}\n`)
  if (yes) return true
  if (!process.stdin.isTTY)
    throw new AppError('invalid-request', 'nobody can be asked here: --yes sends the requests')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question('Send them? [y/N] ')).trim())
  } finally {
    terminal.close()
  }
}

const move = (wanted: string, options: Options): Promise<void> =>
  withStore(async (store, config) => {
    const { to, requests, budgetUsd } = options
    const template = await templateOf(store, wanted)
    const prices = await loadPrices(config)
    const price = findPrice(prices, to)
    if (price === null)
      throw new AppError(
        'invalid-config',
        `no price of ${to} is known, so a budget cannot be kept: add it to PRICES_FILE`
      )
    const deps = await depsOf(store, config)
    const progress = createProgress()
    const given: MoveOptions = {
      template,
      to,
      price,
      oldPrice: findPrice(prices, template.model),
      requests,
      budgetUsd,
      kindShare: config.rollout.auditShare,
      seed: SEED,
      onProgress: (done, of) => progress.update('requests', done, of),
    }
    const plan = await planMove(deps, given)
    const question =
      `${plan.sample.length} logged requests go to ${visibleName(to)} with your key. They cost about ${dollars(plan.expectedUsd)}, ` +
      `and end at ${dollars(budgetUsd)} (--budget-usd).`
    if (!(await isWanted(question, options))) return
    const moved = await measureMove(deps, plan, given)
    progress.stop()
    const title = (await readTitles(store)).title(template.version)
    const report = { template: template.version, from: template.model, to, ...moved }
    print(options.json ? report : moveText(title, report))
  })

export const moveCommand = (): Command =>
  new Command('move')
    .description('compare another model of the upstream with the answers in the log')
    .argument('<template>', 'version of the template, or the start of it')
    .requiredOption('--to <model>', 'the other model, as requests would name it')
    .option('--requests <number>', 'logged requests to send, at most', wholeNumber(1), REQUESTS)
    .option('--budget-usd <amount>', 'US dollars to spend, at most', positiveAmount, BUDGET_USD)
    .option('--yes', 'send them without being asked')
    .option('--json', 'print JSON')
    .action(move)
