/**
 * Whether the terms of the upstreams allow training on their answers, and what the operator's consent adds. Pure.
 * A host is all that is known of an upstream: a gateway of the operator's own hides the provider behind it.
 */
import type { ResponseType } from '../answer/response-type.ts'
import { findUpstream, standInsOf, type NamedUpstream } from '../upstream-choice.ts'
import {
  PROVIDER_TERMS,
  type AnswerKind,
  type ProviderTerms,
  type Stance,
} from './provider-terms.ts'

/**
 * Whether a host is the operator's own: a loopback or private address, or a name that no public DNS has. Pure; a
 * name is judged as it is written, without asking a resolver.
 */

/** RFC 1122, 1918, 3927, 6598: first octet, then the range of the second one. */
const OWN_IPV4: readonly [first: number, from: number, to: number][] = [
  [0, 0, 255],
  [10, 0, 255],
  [100, 64, 127],
  [127, 0, 255],
  [169, 254, 254],
  [172, 16, 31],
  [192, 168, 168],
]

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}$/

const isOwnIpv4 = (first: number, second: number): boolean =>
  OWN_IPV4.some(([octet, from, to]) => first === octet && second >= from && second <= to)

/** An IPv4 address in an IPv6 one, as URLs write it: `::ffff:7f00:1`. */
const MAPPED = /^::ffff:([\da-f]{1,4}):[\da-f]{1,4}$/
/** RFC 4193 and 4291: unspecified, loopback, unique local, link local. */
const OWN_IPV6 = /^(?:::1?$|f[cd][\da-f]{2}:|fe[89ab][\da-f]:)/

const isOwnIpv6 = (address: string): boolean => {
  const mapped = MAPPED.exec(address)?.[1]
  if (mapped === undefined) return OWN_IPV6.test(address)
  const octets = Number.parseInt(mapped, 16)
  return isOwnIpv4(octets >> 8, octets & 255)
}

/** RFC 2606, 6761, 6762, 8375, ICANN's `.internal`, and the names of clusters and home networks. */
const OWN_NAME = /(?:^|\.)(?:localhost|local|internal|intranet|lan|test|home\.arpa|svc)$/

/** @param host as `URL.hostname` gives it: in lower case, IPv6 in brackets; without a dot at the end */
const isOwnHost = (host: string): boolean => {
  if (host.startsWith('[')) return isOwnIpv6(host.slice(1, -1))
  const address = IPV4.exec(host)
  if (address !== null) return isOwnIpv4(Number(address[1]), Number(address[2]))
  // a name without a dot is one of the local network or of a container
  return !host.includes('.') || OWN_NAME.test(host)
}

/** `form`: answers of any type that a form reproduces, which a field head can learn */
export type AnswerType = ResponseType | 'form'

export const answerKindOf = (type: AnswerType): AnswerKind =>
  type === 'label' || type === 'form' ? 'organized' : 'written'

export const KIND_WORDS: Record<AnswerKind, string> = {
  organized: 'labels and fields',
  written: 'written answers',
}

/** What applies to answers of one kind from one host. */
export interface HostTerms {
  host: string
  kind: AnswerKind
  /** `own`: the operator's own server, which has no terms; `unknown`: the host is not in the table */
  stance: Stance | 'own' | 'unknown'
  /** null: the host is not in the table */
  provider: string | null
  says: string | null
  clause: string | null
  /** day from which the document's version applies, YYYY-MM-DD */
  version: string | null
  link: string | null
  /** day on which it was read, YYYY-MM-DD */
  readOn: string | null
}

const matchesHost = (pattern: string, host: string): boolean => {
  const [before = '', after] = pattern.split('*')
  if (after === undefined) return host === pattern
  return (
    host.length > before.length + after.length && host.startsWith(before) && host.endsWith(after)
  )
}

const entryOf = (host: string): ProviderTerms | undefined =>
  PROVIDER_TERMS.find(({ hosts }) => hosts.some((one) => matchesHost(one, host)))

/** @param host as `URL.hostname` gives it, without a dot at the end */
export const termsOf = (host: string, type: AnswerType): HostTerms => {
  const kind = answerKindOf(type)
  const entry = entryOf(host)
  if (entry === undefined)
    return {
      host,
      kind,
      stance: isOwnHost(host) ? 'own' : 'unknown',
      provider: null,
      says: null,
      clause: null,
      version: null,
      link: null,
      readOn: null,
    }
  const { provider, clause, version, link, readOn, terms } = entry
  return { host, kind, ...terms[kind], provider, clause, version, link, readOn }
}

/** With what the operator has said of it. */
export interface AppliedTerms extends HostTerms {
  /** `TRAINING_CONSENT` names the host */
  isConsented: boolean
}

const isPermitted = ({ stance, isConsented }: AppliedTerms): boolean =>
  stance === 'own' || stance === 'allowed' || isConsented

/** Clause, dates and link. */
const sourceText = ({ clause, version, link, readOn }: HostTerms): string =>
  [
    clause,
    version === null ? 'date of the version not known' : `version of ${version}`,
    `read second hand${readOn === null ? '' : ` on ${readOn}`}`,
    link,
  ].join(', ')

const STANCE_WORDS: Record<Stance | 'unknown', string> = {
  allowed: 'allow training on',
  asks: 'do not plainly allow training on',
  forbidden: 'forbid training on',
  unknown: 'are not known about training on',
}

export const stanceText = (terms: HostTerms): string => {
  const { host, provider, kind, stance, says } = terms
  if (stance === 'own') return `${host} is your own server, so no terms restrict training`
  const whose = provider === null ? host : `${provider} (${host})`
  const stated = `the terms of ${whose} ${STANCE_WORDS[stance]} ${KIND_WORDS[kind]}`
  return provider === null ? stated : `${stated}: ${says} (${sourceText(terms)})`
}

/** One line: what applies to an upstream and a kind of answers. */
export const termsText = (terms: AppliedTerms): string => {
  if (terms.isConsented) return `${stanceText(terms)}; TRAINING_CONSENT names it`
  return `${stanceText(terms)}${isPermitted(terms) ? '' : '; training needs TRAINING_CONSENT'}`
}

/** What stands in the way of training on answers of a type. */
export interface Unconsented {
  type: AnswerType
  /** hosts that `TRAINING_CONSENT` would have to name */
  consent: string[]
  /** of the hosts without a permission */
  terms: AppliedTerms[]
}

export interface TrainingTerms {
  /** Of all upstreams that may answer a model's requests, in the order in which they are asked. */
  of(model: string, type: AnswerType): AppliedTerms[]
  /** @returns why answers of a model may not train another one, with what permits it; null: they may */
  whyNot(model: string, type: AnswerType): Unconsented | null
  /** hosts of the consent that no upstream has, such as misspelled ones */
  idleConsent: string[]
}

interface TermsSettings {
  /** for models without an entry in `upstreams` */
  standard: { baseUrl: string }
  upstreams: readonly NamedUpstream[]
  /** hosts whose terms allow training by an agreement of the operator's own */
  consent: readonly string[]
}

const hostOf = ({ baseUrl }: { baseUrl: string }): string =>
  new URL(baseUrl).hostname.replace(/\.$/, '')

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]

export const createTrainingTerms = ({
  standard,
  upstreams,
  consent,
}: TermsSettings): TrainingTerms => {
  const of: TrainingTerms['of'] = (model, type) => {
    const entry = findUpstream(upstreams, model)
    const asked = entry === null ? [standard] : [entry, ...standInsOf(upstreams, entry)]
    return unique(asked.map(hostOf)).map((host) => ({
      ...termsOf(host, type),
      isConsented: consent.includes(host),
    }))
  }
  const known = [standard, ...upstreams].map(hostOf)
  return {
    of,
    idleConsent: consent.filter((host) => !known.includes(host)),
    whyNot(model, type) {
      const refused = of(model, type).filter((terms) => !isPermitted(terms))
      if (refused.length === 0) return null
      return {
        type,
        consent: unique([...consent, ...refused.map(({ host }) => host)]),
        terms: refused,
      }
    },
  }
}
