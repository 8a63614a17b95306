import { reasonOf } from '../../src/core/reason.ts'
import { sayReason } from '../../src/core/reasons/say-reason.ts'
import { describe, expect, it } from 'vitest'
import { RESPONSE_TYPES } from '../../src/core/answer/response-type.ts'
import type { NamedUpstream } from '../../src/core/upstream-choice.ts'
import { PROVIDER_TERMS } from '../../src/core/terms/provider-terms.ts'
import {
  createTrainingTerms,
  termsOf,
  termsText,
  type TrainingTerms,
} from '../../src/core/terms/terms.ts'

const DAY = /^\d{4}-\d{2}-\d{2}$/

describe('the table of terms', () => {
  it.each(PROVIDER_TERMS)('has clause, link and day of $provider', (entry) => {
    expect(entry.clause).not.toBe('')
    expect(new URL(entry.link).protocol).toBe('https:')
    for (const day of [entry.version, entry.readOn]) if (day !== null) expect(day).toMatch(DAY)
    for (const host of entry.hosts) expect(host).toBe(host.toLowerCase())
  })

  it('quotes at most a dozen words', () => {
    const says = PROVIDER_TERMS.flatMap(({ terms }) => Object.values(terms).map((one) => one.says))
    for (const [, quoted = ''] of says.flatMap((text) => [...text.matchAll(/"([^"]*)"/g)]))
      expect(quoted.split(' ').length).toBeLessThanOrEqual(12)
  })

  it('has each host once', () => {
    const hosts = PROVIDER_TERMS.flatMap((entry) => entry.hosts)
    expect(new Set(hosts).size).toBe(hosts.length)
  })
})

describe('the terms of a host', () => {
  it('permit labels and fields of OpenAI, and ask for its other answers', () => {
    const stances = [...RESPONSE_TYPES, 'form' as const].map((type) => [
      type,
      termsOf('api.openai.com', type).stance,
    ])
    expect(Object.fromEntries(stances)).toEqual({
      label: 'allowed',
      form: 'allowed',
      json: 'asks',
      calls: 'asks',
      code: 'asks',
      'short-text': 'asks',
      'free-text': 'asks',
    })
  })

  it.each([
    ['eu.api.openai.com', 'allowed'],
    ['api.deepseek.com', 'allowed'],
    ['api.anthropic.com', 'asks'],
    ['api.x.ai', 'forbidden'],
    ['team.openai.azure.com', 'asks'],
    ['bedrock-runtime.eu-west-1.amazonaws.com', 'asks'],
    ['api.cohere.com', 'unknown'],
    ['api.openai.com.example.net', 'unknown'],
    ['myapi.openai.com', 'unknown'],
    ['.openai.azure.com', 'unknown'],
    ['llm.example.com', 'unknown'],
    ['203.0.113.7', 'unknown'],
    ['[2001:db8::1]', 'unknown'],
    ['100.128.0.1', 'unknown'],
    ['172.32.0.1', 'unknown'],
    ['[::ffff:808:808]', 'unknown'],
  ])('of %s for labels: %s', (host, stance) => {
    expect(termsOf(host, 'label').stance).toBe(stance)
  })

  it.each([
    'localhost',
    'vllm',
    'models.internal',
    'gpu.lan',
    'vllm.default.svc',
    'vllm.default.svc.cluster.local',
    '127.0.0.1',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.1.1',
    '172.16.0.1',
    '172.31.255.1',
    '192.168.1.20',
    '[::1]',
    '[fd00::1]',
    '[fe80::1]',
    '[::ffff:7f00:1]',
    '[::ffff:c0a8:101]',
  ])('%s is an own server, which has none', (host) => {
    expect(termsOf(host, 'free-text').stance).toBe('own')
  })
})

const upstream = (name: string, baseUrl: string, fallback: string[] = []): NamedUpstream => ({
  name,
  baseUrl,
  apiKey: 'key',
  models: [`${name}-*`],
  fallback,
})

const UPSTREAMS = [
  upstream('grok', 'https://api.x.ai/v1'),
  upstream('claude', 'https://api.anthropic.com/v1'),
  upstream('gpu', 'http://10.0.0.7:8000/v1', ['grok', 'claude']),
  upstream('own', 'http://[::1]:8000/v1'),
]

const withConsent = (...consent: string[]) =>
  createTrainingTerms({
    standard: { baseUrl: 'https://api.openai.com./v1' },
    upstreams: UPSTREAMS,
    consent,
  })

/** Why it may not be trained, in words; '' where it may. */
const saying = (...[terms, ...of]: [TrainingTerms, ...Parameters<TrainingTerms['whyNot']>]) => {
  const refused = terms.whyNot(...of)
  return refused === null ? '' : sayReason(reasonOf('consent-needed', refused)).says
}

describe('training on the answers of a model', () => {
  it('needs no setting with OpenAI for labels and fields', () => {
    expect(withConsent().whyNot('gpt-4o-mini', 'label')).toBeNull()
    expect(withConsent().whyNot('gpt-4o-mini', 'form')).toBeNull()
  })

  it('needs none on an own server', () => {
    expect(withConsent().whyNot('own-model', 'free-text')).toBeNull()
  })

  it('is refused with clause, dates, link and the setting to copy', () => {
    expect(saying(withConsent(), 'grok-4', 'label')).toBe(
      'training on labels and fields of api.x.ai needs your consent: set TRAINING_CONSENT=api.x.ai and restart ' +
        'the proxy if your own agreement allows it (docs/privacy.md); the terms of xAI (api.x.ai) forbid training on ' +
        'labels and fields: no AI system may be trained on output, unless an order form permits it (Terms of ' +
        'Service – Enterprise §3.2(i), date of the version not known, read second hand on 2026-10-05, ' +
        'https://x.ai/legal/terms-of-service-enterprise)'
    )
  })

  it('keeps the consent that was given before in the value to copy', () => {
    expect(saying(withConsent('api.x.ai'), 'claude-x', 'label')).toContain(
      'set TRAINING_CONSENT=api.x.ai,api.anthropic.com and'
    )
    expect(withConsent('api.x.ai', 'api.anthropic.com').whyNot('claude-x', 'label')).toBeNull()
  })

  it('asks for each stand-in too, which may have answered', () => {
    const terms = withConsent('api.x.ai')
    expect(terms.of('gpu-1', 'label').map(({ host, stance }) => [host, stance])).toEqual([
      ['10.0.0.7', 'own'],
      ['api.x.ai', 'forbidden'],
      ['api.anthropic.com', 'asks'],
    ])
    expect(saying(terms, 'gpu-1', 'label')).toMatch(
      /^training on labels and fields of api\.anthropic\.com needs/
    )
  })

  it('says that nothing is known of a public host without an entry', () => {
    const terms = createTrainingTerms({
      standard: { baseUrl: 'https://llm.example.com:8443/v1' },
      upstreams: [],
      consent: [],
    })
    expect(saying(terms, 'm', 'label')).toBe(
      'training on labels and fields of llm.example.com needs your consent: set TRAINING_CONSENT=llm.example.com ' +
        'and restart the proxy if your own agreement allows it (docs/privacy.md); the terms of llm.example.com are ' +
        'not known about training on labels and fields'
    )
  })

  it('shows a consent beside the terms, and names one that no upstream has', () => {
    const terms = withConsent('api.x.ai', 'api.xai')
    expect(termsText(terms.of('grok-4', 'json')[0]!)).toMatch(
      /^the terms of xAI .* forbid training on written answers: .*; TRAINING_CONSENT names it$/
    )
    expect(terms.idleConsent).toEqual(['api.xai'])
  })
})
