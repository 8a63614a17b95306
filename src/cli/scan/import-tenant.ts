/** The tenant that an import gives a log: that of the API key that its callers use. */
import { InvalidArgumentError } from 'commander'
import type { Config } from '../../config/config.ts'
import { hasSecrets, loadSecrets } from '../../config/data-dir.ts'
import { isTenant } from '../../core/keys/issued-key.ts'
import { AppError } from '../../errors.ts'
import { compileKeyTable, createKeyFinder } from '../../proxy/access/access.ts'
import { createTenants } from '../../proxy/access/tenants.ts'
import type { Store } from '../../store/store.ts'

const WAYS =
  'it must be the API key that the callers of the log use, because it decides the tenant ' +
  '(--key-env names another variable). Or pass --tenant <tenant> as promptintern status lists it'

/** By default the variable that OpenAI's own clients read. */
export const KEY_ENV = 'OPENAI_API_KEY'

/** @throws AppError `invalid-config` when the variable is not set */
export const credentialOf = (keyEnv: string): string => {
  const key = process.env[keyEnv]
  if (key !== undefined && key !== '') return `Bearer ${key}`
  throw new AppError('invalid-config', `${keyEnv} is not set; ${WAYS}`)
}

const forwardedTenant = async ({ proxy, dataDir }: Config, keyEnv: string): Promise<string> => {
  const secret = proxy.tenantSecret ?? (await loadSecrets(dataDir)).tenantSecret
  const tenants = createTenants({ secret, ttlMs: 0, maxEntries: 1, now: Date.now })
  return tenants.identify({ rawHeaders: ['authorization', credentialOf(keyEnv)] }).tenant
}

/** The tenant as the proxy derives it from its callers' key. @throws AppError `invalid-config` */
export const tenantOfCallers = async (
  store: Store,
  config: Config,
  keyEnv: string
): Promise<string> => {
  if (config.access === 'forward') return forwardedTenant(config, keyEnv)
  const carrier = { rawHeaders: ['authorization', credentialOf(keyEnv)] }
  const keys = compileKeyTable(await store.keys.list())
  try {
    return createKeyFinder(() => keys)(carrier).tenant
  } catch (cause) {
    const message = `${keyEnv} has no key that this proxy issued (ACCESS is keys); ${WAYS}`
    throw new AppError('invalid-config', message, { cause })
  }
}

/**
 * As far as it is known without a store, and without making a data directory.
 * @returns null without a key or a secret, and for keys that the proxy issues
 */
export const expectedTenant = async (config: Config): Promise<string | null> => {
  const hasSecret = config.proxy.tenantSecret !== null || hasSecrets(config.dataDir)
  if (config.access !== 'forward' || !hasSecret || !process.env[KEY_ENV]) return null
  return forwardedTenant(config, KEY_ENV)
}

/** Of the option `--tenant`. */
export const tenantName = (text: string): string => {
  if (isTenant(text)) return text
  throw new InvalidArgumentError('It must be 32 hex digits, or issued: and a label.')
}
