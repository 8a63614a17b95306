import { describe, expect, it } from 'vitest'
import { CONFIG_KEYS } from '../../src/config/environment.ts'
import { parseConfig } from '../../src/config/config.ts'

const MARK = 'bWFya2VyLW9mLWEtc2VjcmV0LXRoYXQtaXMtbG9uZw'

/** A valid value with the marker. */
const secretFor = (key: string): string => {
  if (key === 'WEBHOOK_SECRET') return `whsec_${MARK}`
  if (/^DATABASE.*URL$/.test(key)) return `postgres://proxy:${MARK}@db.example/log`
  return key === 'WEBHOOK_URL' ? `https://hook.example/${MARK}` : MARK
}

const SECRETS = CONFIG_KEYS.filter((key) =>
  /KEY|TOKEN|SECRET|PASSWORD|COMMAND|^(WEBHOOK|DATABASE)_URL/.test(key)
)

const settingOf = (env: Record<string, string>, name: string) =>
  parseConfig(env).settings.find((setting) => setting.name === name)

describe('the settings in force', () => {
  it('have every key once', () => {
    const { settings } = parseConfig({})
    expect(settings.map(({ name }) => name)).toEqual(CONFIG_KEYS)
    expect(settings.every(({ isDefault }) => isDefault)).toBe(true)
  })

  it('say of a secret only that it is set', () => {
    expect(SECRETS).toEqual(
      expect.arrayContaining(['ADMIN_TOKEN', 'TENANT_SECRET', 'UPSTREAM_API_KEY', 'WEBHOOK_URL'])
    )
    const secrets = Object.fromEntries(SECRETS.map((key) => [key, secretFor(key)]))
    const env = {
      ...secrets,
      ADMIN_READ_TOKEN: `${MARK}-2`,
      ENGINE: 'http',
      ENGINE_URL: 'http://e',
    }
    const { settings } = parseConfig(env)
    expect(JSON.stringify(settings)).not.toContain(MARK)
    for (const key of SECRETS) {
      expect(settingOf(env, key)).toEqual({ name: key, value: 'set', isDefault: false })
      expect(settingOf({}, key)).toEqual({ name: key, value: '', isDefault: true })
    }
  })

  it.each([
    ['ROLLOUT_STAGES', '0.1,1', '0.1,1', false],
    ['ROLLOUT_STAGES', '0.05,0.25,1', '0.05,0.25,1', true],
    ['CREDENTIAL_NAMES', 'X-A, x-b', 'x-a,x-b', false],
    ['REDACT_PATTERNS', '{"STAFF": "E[0-9]+"}', '{"STAFF":"E[0-9]+"}', false],
    ['ECHO_MODEL', 'true', 'true', false],
    ['AUDIT_USD_PER_DAY', '', '', true],
    ['MARGIN', '0.050', '0.05', true],
  ])('%s=%s has the text %s', (name, given, value, isDefault) => {
    expect(settingOf({ [name]: given }, name)).toEqual({ name, value, isDefault })
  })
})
