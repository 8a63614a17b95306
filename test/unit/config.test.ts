import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'

const mistakesOf = (env: Record<string, string>): string => {
  try {
    parseConfig(env)
  } catch (error) {
    return String(error)
  }
  throw new Error('no mistake was found')
}

describe('the configuration', () => {
  it('has a default for everything but secrets', () => {
    const { redact, engine, access, internalize } = parseConfig({})
    expect([redact, engine, access]).toEqual([null, { kind: 'none' }, 'forward'])
    expect(internalize.autoPromote).toBe(false)
  })

  it('reads detectors and patterns', () => {
    const { redact } = parseConfig({
      REDACT: 'email, card,',
      REDACT_PATTERNS: String.raw`{"STAFF": "\\bE\\d{6}\\b"}`,
    })
    expect(redact).toEqual({
      detectors: ['email', 'card'],
      patterns: { STAFF: String.raw`\bE\d{6}\b` },
    })
  })

  it('takes constants from development, each within its limits', () => {
    const changed = parseConfig({ PROMPTINTERN_CONSTANTS: '{"trainRows":60,"auditShare":0}' })
    expect(changed.internalize.trainRows).toBe(60)
    expect(changed.rollout.auditShare).toBe(0)
    expect(changed.changedConstants).toEqual({ trainRows: 60, auditShare: 0 })
    const { changedConstants, internalize } = parseConfig({})
    expect([changedConstants, internalize.trainRows]).toEqual([{}, 6000])
  })

  it('names other models as arms, each once', () => {
    const { arms, proofUsd } = parseConfig({
      ARMS: 'label-head, model:openai/gpt-6-luna:free,model:openai/gpt-6-luna:free',
      PROOF_USD: '2.5',
    }).internalize
    expect(arms).toEqual(['label-head', 'model:openai/gpt-6-luna:free'])
    expect(proofUsd).toBe(2.5)
    expect(parseConfig({}).internalize.proofUsd).toBeNull()
  })

  it.each([
    [{ REDACT: 'emails' }, /REDACT/],
    [{ REDACT_PATTERNS: '{' }, /REDACT_PATTERNS: is not JSON/],
    [{ REDACT_PATTERNS: '{"STAFF":"("}' }, /REDACT_PATTERNS.STAFF: must be a regular expression/],
    [{ REDACT_PATTERNS: '{"STAFF":"x*"}' }, /match the empty string/],
    [{ REDACT_PATTERNS: '{"staff 1":"x"}' }, /capital letters/],
    [{ CAPTURE_SHARE: '2' }, /CAPTURE_SHARE/],
    [{ ENGINE: 'onnx' }, /ENCODER_PATH: needed .* or MODEL_PATH/],
    [{ ARMS: 'head' }, /ARMS/],
    [{ ARMS: 'label-head,model:' }, /ARMS/],
    [{ ARMS: 'model:gpt luna' }, /ARMS/],
    [{ PROOF_USD: '-1' }, /PROOF_USD/],
    [{ PROOF_USD: 'much' }, /PROOF_USD/],
    [{ ENCODER_PATH: 'minilm' }, /ENCODER_PATH: only valid with ENGINE=onnx/],
    [{ ENGINE: 'http' }, /ENGINE_URL: needed/],
    [{ HOST: '0.0.0.0' }, /ADMIN_TOKEN: needed/],
    [{ JUDGE_MODEL: 'judge' }, /PROOF_USD: needed with JUDGE_MODEL/],
    [{ JUDGE_RUBRIC_FILE: 'rubric' }, /JUDGE_MODEL: needed with JUDGE_RUBRIC_FILE/],
    [{ PROMPTINTERN_CONSTANTS: '{' }, /PROMPTINTERN_CONSTANTS: is not JSON/],
    [{ PROMPTINTERN_CONSTANTS: '{"trainRows":0}' }, /PROMPTINTERN_CONSTANTS.trainRows: /],
    [{ PROMPTINTERN_CONSTANTS: '{"rollbackCapital":2}' }, /Unrecognized key: "rollbackCapital"/],
    [{ ACCESS: 'keys' }, /UPSTREAM_API_KEY: needed/],
    [{ ACCESS: 'key' }, /ACCESS/],
    [{ CREDENTIAL_NAMES: 'x-a, b c' }, /CREDENTIAL_NAMES.1: is not a valid header name/],
    [{ WEBHOOK_URL: 'hook.example' }, /WEBHOOK_URL: must be an http or https URL/],
    [{ WEBHOOK_URL: 'file:///etc/passwd' }, /WEBHOOK_URL: must be an http or https URL/],
    [{ UPSTREAM_BASE_URL: 'ftp://a' }, /UPSTREAM_BASE_URL: must be an http or https URL/],
    [
      { TRAINING_CONSENT: 'api.x.ai,https://api.anthropic.com' },
      /TRAINING_CONSENT.1: must be hosts of upstreams without scheme, port or path, such as api.x.ai/,
    ],
    [{ TRAINING_CONSENT: 'api.x.ai:443' }, /TRAINING_CONSENT.0: must be hosts/],
  ])('names the mistake in %j', (env, expected) => {
    expect(mistakesOf(env)).toMatch(expected)
  })

  it.each(
    Object.entries({
      0: 'PORT DRAIN_SECONDS DRAIN_IDLE_SECONDS RETRY_AFTER_MAX_SECONDS KEEP_ALIVE_SECONDS',
      1: 'UPSTREAM_TIMEOUT_SECONDS BODY_RETENTION_DAYS',
      1024: 'MAX_BODY_BYTES MAX_IN_FLIGHT_BYTES',
    }).flatMap(([least, keys]) => keys.split(' ').map((key) => [key, Number(least)] as const))
  )('takes %s from %i on', (key, least) => {
    parseConfig({ [key]: String(least) })
    expect(mistakesOf({ [key]: String(least - 1) })).toContain(key)
  })

  it('takes hosts as URLs have them', () => {
    const { trainingConsent } = parseConfig({ TRAINING_CONSENT: 'API.x.ai. , [2001:DB8::1],vllm' })
    expect(trainingConsent).toEqual(['api.x.ai', '[2001:db8::1]', 'vllm'])
  })

  it('takes tenants as hashes and as labels', () => {
    const tenants = ['0123456789abcdef'.repeat(2), 'issued:a', `issued:${'b'.repeat(64)}`]
    expect(parseConfig({ CAPTURE_TENANTS: tenants.join(',') }).capture.tenants).toEqual(tenants)
    for (const tenant of ['0123', 'issued:', `issued:${'b'.repeat(65)}`])
      expect(mistakesOf({ CAPTURE_TENANTS: tenant })).toContain('CAPTURE_TENANTS.0')
  })

  it.each(['UPSTREAM_BASE_URL', 'ENGINE_URL', 'OTEL_EXPORTER_OTLP_ENDPOINT'])(
    'refuses secrets in %s without repeating them',
    (key) => {
      for (const url of [
        'https://user:s3cret@host/v1',
        'https://s3cret@host/v1',
        'https://@host/v1',
        'https://host/v1?api-key=s3cret',
        'https://host/v1#s3cret',
        'https://host/v1?',
        'https://s3cret@',
      ]) {
        const mistakes = mistakesOf({ [key]: url })
        expect(mistakes).toContain(`${key}: must`)
        expect(mistakes).not.toContain('s3cret')
      }
      expect(mistakesOf({ [key]: 'https://user:s3cret@host/v1' })).toMatch(
        /must have no user, password, query or fragment; a key belongs in \w+/
      )
      parseConfig({ [key]: 'https://host:8443/a/@b/v1' })
    }
  )

  it('reads a webhook, whose path and query may be secret', () => {
    const url = 'https://hook.example:8443/services/T0/x?token=s3cret'
    const secret = `whsec_${Buffer.alloc(24).toString('base64')}`
    expect(parseConfig({ WEBHOOK_URL: url, WEBHOOK_SECRET: secret }).webhook).toEqual({
      url,
      secret,
    })
    expect(parseConfig({ WEBHOOK_URL: url }).webhook).toEqual({ url, secret: null })
    expect(parseConfig({ WEBHOOK_URL: '', WEBHOOK_SECRET: '' }).webhook).toBeNull()
  })

  it('refuses a webhook with a user or fragment without repeating it', () => {
    for (const url of ['https://user:s3cret@a', 'https://s3cret@a', 'https://a/#s3cret', 's3cret'])
      expect(mistakesOf({ WEBHOOK_URL: url })).toMatch(/WEBHOOK_URL: must (?!.*s3cret)/s)
  })

  it.each([
    Buffer.alloc(24, 's3cret').toString('base64'),
    `whsec_${Buffer.alloc(23, 's3cret').toString('base64')}`,
    `whsec_${Buffer.alloc(65, 's3cret').toString('base64')}`,
    `whsec_${Buffer.alloc(24, 0xff).toString('base64url')}`,
    `whsec_${'ab cd ef '.repeat(8)}`,
    'whsec_',
  ])('refuses the secret of a webhook %j without repeating it', (secret) => {
    const mistakes = mistakesOf({ WEBHOOK_SECRET: secret })
    expect(mistakes).toContain('WEBHOOK_SECRET: must be whsec_ and 24 to 64 bytes in base64')
    if (secret.length > 10) expect(mistakes).not.toContain(secret.slice(6))
  })

  it('reads names of credentials in lower case', () => {
    expect(parseConfig({ CREDENTIAL_NAMES: 'X-Employee, sid' }).proxy.credentialNames).toEqual([
      'x-employee',
      'sid',
    ])
  })

  it('accepts issued keys with a key of the upstream, and a public address with a token', () => {
    expect(parseConfig({ ACCESS: 'keys', UPSTREAM_API_KEY: 'sk-1' }).access).toBe('keys')
    expect(parseConfig({ HOST: '0.0.0.0', ADMIN_TOKEN: 'secret' }).adminToken).toBe('secret')
  })

  it('removes slashes from the end of URLs', () => {
    const urls = { UPSTREAM_BASE_URL: 'http://a/v1//', ENGINE_URL: 'http://b/' }
    const { upstream, engine } = parseConfig({ ...urls, ENGINE: 'http' })
    expect([upstream.baseUrl, engine]).toMatchObject(['http://a/v1', { url: 'http://b' }])
  })

  it.each([
    [{}, null],
    [{ ENGINE_USD_PER_HOUR: '0' }, 0],
    [{ ENGINE_USD_PER_HOUR: '0.5' }, 0.5],
  ])('reads the price of the engine from %j', (env, expected) => {
    expect(parseConfig(env).engineUsdPerHour).toBe(expected)
  })

  it('reports all mistakes at once', () => {
    expect(mistakesOf({ PORT: '70000', MARGIN: '7' })).toMatch(/PORT[^]*MARGIN/)
  })
})
