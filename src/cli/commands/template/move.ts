import { sayReason } from '../../../core/reasons/say-reason.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { loadPrices, loadUpstreams, trainingTerms } from '../../../config/config-files.ts'
import type { Config } from '../../../config/config.ts'
import { counted, dollars } from '../../../core/figure-text.ts'
import { findPrice } from '../../../core/cost/prices.ts'
import { whyUntrained } from '../../../core/internalization/answer-type.ts'
import type { Template } from '../../../core/template/template.ts'
import type { TrainingTerms } from '../../../core/terms/terms.ts'
import type { NamedUpstream } from '../../../core/upstream-choice.ts'
import { AppError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import { createFollow } from '../../../worker/move/follow.ts'
import { measureMove, type MoveDeps, type MoveOptions } from '../../../worker/move/measure.ts'
import { planMove, type MovePlan } from '../../../worker/move/plan.ts'
import { createAsk } from '../../../worker/replay.ts'
import { visibleName } from '../../../visible-text.ts'
import { templateOf, withStore } from '../../context.ts'
import { positiveAmount, wholeNumber } from '../../options.ts'
import { createProgress, print, writeError, type OutputOptions } from '../../output.ts'
import { readTitles, type Titles } from '../../titles.ts'
import { movesText, moveText, type MovesView, type MoveView } from './move-text.ts'

/** The interval of an agreement near 95 % is then five points wide. */
const REQUESTS = 300
const BUDGET_USD = 5
const SEED = 44

interface Options extends OutputOptions {
  to: string
  from?: string
  follow?: boolean
  requests?: number
  budgetUsd: number
  yes?: true
}

/** @throws AppError `invalid-config` without a key */
const depsOf = (store: Store, config: Config, upstreams: NamedUpstream[]): MoveDeps => {
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

/** @throws AppError `invalid-request`, `not-found` */
const templatesOf = async (
  store: Store,
  wanted: string | undefined,
  { from, to }: Options
): Promise<Template[]> => {
  if ((wanted === undefined) === (from === undefined))
    throw new AppError('invalid-request', 'name a template, or with --from the model of several')
  const found =
    wanted === undefined
      ? (await store.templates.list()).filter(({ model }) => model === from)
      : [await templateOf(store, wanted)]
  const [first] = found
  if (first === undefined)
    throw new AppError('not-found', `no template has requests for ${from}: see promptintern status`)
  if (first.model === to)
    throw new AppError('invalid-request', `these requests name ${to} already: choose another model`)
  return found
}

/** All that a move of some templates needs. */
interface Move {
  deps: MoveDeps
  config: Config
  options: Options
  titles: Titles
  price: MoveOptions['price']
  plans: MovePlan[]
  /** why nothing learns from the answers of some templates; null: all may be learned */
  untrained: string | null
}

/** Why the terms of the new model's upstream keep its answers from training: they are paid before the worker says it. */
const whyNotLearned = async (
  store: Store,
  terms: TrainingTerms,
  templates: readonly Template[],
  to: string
): Promise<string | null> => {
  const all = await store.internalizations.list()
  const reasons = templates.map(({ version }) => {
    const own = all.filter(({ templateVersion }) => templateVersion === version)
    return whyUntrained(terms, to, own)
  })
  const first = reasons.find((reason) => reason !== null)
  return first === undefined ? null : sayReason(first).says
}

const openMove = async (
  store: Store,
  config: Config,
  wanted: string | undefined,
  options: Options
): Promise<Move> => {
  const { to, follow = false, requests } = options
  const templates = await templatesOf(store, wanted, options)
  const prices = await loadPrices(config)
  const price = findPrice(prices, to)
  if (price === null)
    throw new AppError(
      'invalid-config',
      `no price of ${to} is known, so a budget cannot be kept: add it to PRICES_FILE`
    )
  const upstreams = await loadUpstreams(config, process.env)
  const deps = depsOf(store, config, upstreams)
  const { trainRows, holdoutRows } = config.internalize
  const plans: MovePlan[] = []
  for (const template of templates)
    plans.push(
      await planMove(deps, {
        template,
        to,
        price,
        oldPrice: findPrice(prices, template.model),
        requests: requests ?? (follow ? trainRows + holdoutRows : REQUESTS),
        isFollowed: follow,
        kindShare: config.rollout.auditShare,
        seed: SEED,
      })
    )
  if (plans.every(({ sample }) => sample.length === 0))
    throw new AppError('invalid-state', 'the log has no request of the template with its answer')
  const terms = trainingTerms(config, upstreams)
  const untrained = follow ? await whyNotLearned(store, terms, templates, to) : null
  return { deps, config, options, price, plans, untrained, titles: await readTitles(store) }
}

const expectedOf = (plans: readonly MovePlan[]): number =>
  plans.reduce((sum, { expectedUsd }) => sum + expectedUsd, 0)

/** @returns null where nothing is sent: all answers are bought */
const questionOf = ({ plans, options, untrained }: Move): string | null => {
  const { to, budgetUsd, follow } = options
  const sample = plans.flatMap((plan) => plan.sample)
  const unsent = sample.filter(({ isBought }) => !isBought).length
  if (unsent === 0) return null
  const bought = sample.length - unsent
  const templates = plans.filter((plan) => plan.sample.length > 0).length
  return [
    `${counted(unsent, 'logged request')}${templates === 1 ? '' : ` of ${templates} templates`} ` +
      `go to ${visibleName(to)} with your key. They cost about ${dollars(expectedOf(plans))}, ` +
      `and end at ${dollars(budgetUsd)} (--budget-usd).`,
    ...(follow && untrained === null
      ? ['The log keeps the answers, and small models learn from them.']
      : []),
    ...(follow && untrained !== null
      ? [`The log keeps the answers, but nothing learns from them yet: ${untrained}.`]
      : []),
    ...(bought > 0 ? [`${counted(bought, 'answer')} are bought already.`] : []),
  ].join(' ')
}

/** @returns null where the budget reached none of its requests */
const moveOne = async (
  { deps, config, options: { to, follow: isFollowed = false }, titles, price }: Move,
  plan: MovePlan,
  { budgetUsd, onProgress }: Pick<MoveOptions, 'budgetUsd' | 'onProgress'>
): Promise<MoveView | null> => {
  const { template, sample } = plan
  const exchanges = sample.map(({ exchange }) => exchange)
  const follow = isFollowed
    ? createFollow(deps.store, { template, to, exchanges, now: deps.now })
    : null
  const moved = await measureMove(deps, plan, { to, price, budgetUsd, follow, onProgress })
  if (moved === null) return null
  const { bought } = moved
  const follower = follow === null || !bought ? null : (await follow.begin()).version
  const missing = config.internalize.startExchanges - (bought ?? 0)
  return {
    template: template.version,
    title: titles.title(template.version),
    from: template.model,
    to,
    ...moved,
    follower,
    missing: follower === null || missing <= 0 ? null : missing,
  }
}

/** One after the other: of what is left of the budget, each gets the part that its requests will cost. */
const moveAll = async (move: Move): Promise<MovesView> => {
  const { plans, options, titles } = move
  const progress = createProgress()
  const of = plans.reduce((sum, { sample }) => sum + sample.length, 0)
  const templates: MoveView[] = []
  const left: string[] = []
  let [usd, before] = [0, 0]
  for (const [place, plan] of plans.entries()) {
    const rest = expectedOf(plans.slice(place))
    const part = rest === 0 ? 1 : plan.expectedUsd / rest
    const budgetUsd = Math.max(0, options.budgetUsd - usd) * part
    const onProgress = (done: number): void => progress.update('requests', before + done, of)
    const moved =
      plan.sample.length === 0 ? null : await moveOne(move, plan, { budgetUsd, onProgress })
    if (moved === null) left.push(titles.title(plan.template.version))
    else templates.push(moved)
    usd += moved?.usd ?? 0
    before += plan.sample.length
  }
  progress.stop()
  const from = plans[0]?.template.model ?? ''
  return { from, to: options.to, usd, templates, left }
}

const move = (wanted: string | undefined, options: Options): Promise<void> =>
  withStore(async (store, config) => {
    const opened = await openMove(store, config, wanted, options)
    const question = questionOf(opened)
    if (question !== null && !(await isWanted(question, options))) return
    const view = await moveAll(opened)
    const [only] = view.templates
    if (options.from !== undefined) return print(options.json ? view : movesText(view))
    if (only === undefined)
      throw new AppError('invalid-request', 'the budget is too small for a single request')
    print(options.json ? only : moveText(only))
  })

export const moveCommand = (): Command =>
  new Command('move')
    .description(
      'compare another model of the upstream with the answers in the log, and follow templates to it'
    )
    .argument('[template]', 'version of the template, or the start of it')
    .requiredOption('--to <model>', 'the other model, as requests would name it')
    .option('--from <model>', 'all templates of this model, in place of one')
    .option(
      '--follow',
      'keep the answers in the log, so that heads learn them before clients name the other model'
    )
    .option(
      '--requests <number>',
      `logged requests to send of a template, at most; default: ${REQUESTS}, with --follow as many as an internalization reads`,
      wholeNumber(1)
    )
    .option('--budget-usd <amount>', 'US dollars to spend, at most', positiveAmount, BUDGET_USD)
    .option('--yes', 'send them without being asked')
    .option('--json', 'print JSON')
    .action(move)
