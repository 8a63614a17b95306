import { randomBytes } from 'node:crypto'
import { Command, InvalidArgumentError, Option } from 'commander'
import {
  budgetNote,
  BUDGET_PERIODS,
  type BudgetPeriod,
  isTenantLabel,
  type IssuedKey,
  type KeyLimits,
} from '../../core/keys/issued-key.ts'
import { budgetOf, modelNames, newKey } from '../../core/keys/new-key.ts'
import { loadPrices } from '../../config/config-files.ts'
import type { Config } from '../../config/config.ts'
import { readKeySpends } from '../../savings/key-spend.ts'
import type { Store } from '../../store/store.ts'
import { withStore } from '../context.ts'
import { positiveAmount, wholeNumber } from '../options.ts'
import { print, table, writeError, type OutputOptions } from '../output.ts'

interface CreateOptions extends OutputOptions {
  name: string
  tenant?: string
  models?: string[]
  requestsPerMinute?: number
  tokensPerMinute?: number
  budgetUsd?: number
  budgetPeriod?: BudgetPeriod
}

const someModels = (text: string): string[] => {
  const names = modelNames(text)
  if (names.length === 0) throw new InvalidArgumentError('It must name at least one model.')
  return names
}

const tenantLabel = (text: string): string => {
  if (isTenantLabel(text)) return text
  throw new InvalidArgumentError('It must be 1 to 64 letters, digits, dots, dashes or underscores.')
}

const limitsOf = (options: CreateOptions): KeyLimits => ({
  models: options.models ?? null,
  requestsPerMinute: options.requestsPerMinute ?? null,
  tokensPerMinute: options.tokensPerMinute ?? null,
  budget: budgetOf(options.budgetUsd, options.budgetPeriod),
})

/** The fields of a key that may be shown: all but its hash. */
const shown = ({ hash: _hash, ...key }: IssuedKey): Omit<IssuedKey, 'hash'> => key

const CREATES = { creates: true }

/** @throws AppError `invalid-config` for a file of prices that cannot be read */
const notesOn = async (limits: KeyLimits, config: Config): Promise<string[]> => {
  const onBudget = budgetNote(limits, limits.budget === null ? [] : await loadPrices(config))
  return [
    ...(config.access === 'forward'
      ? ['ACCESS is forward; the proxy requires keys only with ACCESS=keys']
      : []),
    ...(onBudget === null ? [] : [onBudget]),
  ]
}

const create = (options: CreateOptions): Promise<void> =>
  withStore(async (store, config) => {
    const limits = limitsOf(options)
    const notes = await notesOn(limits, config)
    const wanted = { name: options.name, tenant: options.tenant, limits }
    const { key, secret } = newKey(wanted, { now: Date.now(), randomBytes })
    await store.keys.create(key)
    for (const note of notes) writeError(`note: ${note}\n`)
    if (options.json) return print({ ...shown(key), secret })
    print(
      `${key.id}\n${secret}\nThe second line is the key. It is not stored and cannot be shown again.`
    )
  }, CREATES)

const listed = async (store: Store, now: number) => {
  const keys = await readKeySpends(store, now)
  return keys.map(({ key, ...spend }) => ({ ...shown(key), ...spend }))
}

type Listed = Awaited<ReturnType<typeof listed>>[number]

const money = (usd: number): string => usd.toFixed(4)

const budgetText = ({ limits: { budget }, budgetSpentUsd }: Listed): string =>
  budget === null ? '' : `${money(budgetSpentUsd ?? 0)} of ${budget.usd} (${budget.period})`

const rowOf = (key: Listed): string[] => [
  key.id,
  key.name,
  key.tenant,
  key.limits.models?.join(',') ?? 'all',
  key.limits.requestsPerMinute?.toString() ?? '',
  key.limits.tokensPerMinute?.toString() ?? '',
  budgetText(key),
  key.spent.requests.toString(),
  key.spent.tokens.toString(),
  money(key.spent.usd),
  key.revokedAt === null ? '' : new Date(key.revokedAt).toISOString(),
]

const HEADER = [
  'id',
  'name',
  'tenant',
  'models',
  'requests/min',
  'tokens/min',
  'budget USD',
  'requests',
  'tokens',
  'USD',
  'revoked',
]

const list = (options: OutputOptions): Promise<void> =>
  withStore(async (store) => {
    const keys = await listed(store, Date.now())
    print(options.json ? keys : table([HEADER, ...keys.map(rowOf)]))
  })

const revoke = (id: string, options: OutputOptions): Promise<void> =>
  withStore(async (store) => {
    const key = await store.keys.revoke(id, Date.now())
    print(options.json ? shown(key) : `${key.id} is revoked`)
  })

export const keysCommand = (): Command =>
  new Command('keys')
    .description('issue, list and revoke the keys that callers need with ACCESS=keys')
    .helpCommand(false)
    .addCommand(
      new Command('create')
        .description('issue a key, which is shown only once')
        .requiredOption('--name <text>', 'label for people')
        .option(
          '--tenant <label>',
          'keys of the same tenant share templates (default: a tenant of its own)',
          tenantLabel
        )
        .option(
          '--models <names>',
          'models that the key may use, such as gpt-4o-mini,o4*',
          someModels
        )
        .option('--requests-per-minute <count>', 'limit of requests', wholeNumber(1))
        .option(
          '--tokens-per-minute <count>',
          'limit of tokens of prompt and answer together',
          wholeNumber(1)
        )
        .option('--budget-usd <amount>', 'limit of the spend at the upstream', positiveAmount)
        .addOption(
          new Option('--budget-period <period>', 'period of the budget, in UTC').choices(
            BUDGET_PERIODS
          )
        )
        .option('--json', 'print JSON')
        .action(create)
    )
    .addCommand(
      new Command('list')
        .description('list the keys with their limits and their use, without the secrets')
        .option('--json', 'print JSON')
        .action(list)
    )
    .addCommand(
      new Command('revoke')
        .description('revoke a key; running proxies refuse it within two seconds')
        .argument('<key>', 'id of the key')
        .option('--json', 'print JSON')
        .action(revoke)
    )
