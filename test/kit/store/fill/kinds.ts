/** The requests that the part `pages` times: each view that reads the log, or tables that grow with it. Pure. */
import { ENDED_VERSIONS, LIVE, TEMPLATES, TENANTS, tenantAt, versionAt } from './world.ts'
import type { Random } from './world.ts'

/** A record from somewhere in the log. */
export interface Sample {
  id: string
  /** a place near it */
  after: number
  random: Random
}

export interface Kind {
  /** `list_…`: of the record list */
  name: string
  /** below `/admin` */
  path: (sample: Sample) => string
}

const RECORDS = '/api/records'

const draw = (random: Random, count: number): number => Math.floor(random() * count)

const tenantIn = ({ random }: Sample): string => tenantAt(draw(random, TENANTS))
const versionIn = ({ random }: Sample): string => versionAt(draw(random, TEMPLATES))
const outcomeIn = ({ random }: Sample): string =>
  ['answered', 'fallback', 'skipped', 'none'][draw(random, 4)]!
const errorIn = ({ random }: Sample): string => ['4xx', '5xx'][draw(random, 2)]!
const internalizationIn = ({ random }: Sample): string =>
  `/internalizations/internalization-${draw(random, LIVE)}`

export const KINDS: Kind[] = [
  { name: 'list_first', path: () => RECORDS },
  { name: 'list_view', path: () => '/records' },
  { name: 'list_deep', path: ({ after }) => `${RECORDS}?after=${after}` },
  { name: 'list_oldest', path: () => `${RECORDS}?order=asc` },
  { name: 'list_template', path: (sample) => `${RECORDS}?template=${versionIn(sample)}` },
  {
    name: 'list_template_deep',
    path: (sample) => `${RECORDS}?template=${versionIn(sample)}&after=${sample.after}`,
  },
  {
    name: 'list_template_ended',
    path: ({ random }) =>
      `${RECORDS}?template=${ENDED_VERSIONS[draw(random, ENDED_VERSIONS.length)]}`,
  },
  { name: 'list_tenant', path: (sample) => `${RECORDS}?tenant=${tenantIn(sample)}` },
  {
    name: 'list_tenant_deep',
    path: (sample) => `${RECORDS}?tenant=${tenantIn(sample)}&after=${sample.after}`,
  },
  { name: 'list_tenant_unknown', path: () => `${RECORDS}?tenant=nobody` },
  { name: 'list_status', path: (sample) => `${RECORDS}?status=${errorIn(sample)}` },
  { name: 'list_outcome', path: (sample) => `${RECORDS}?outcome=${outcomeIn(sample)}` },
  {
    name: 'list_several',
    path: (sample) =>
      `${RECORDS}?tenant=${tenantIn(sample)}&status=5xx&outcome=none&after=${sample.after}`,
  },
  { name: 'list_conversation', path: ({ id }) => `${RECORDS}?conversation=${id}` },
  { name: 'record', path: ({ id }) => `/records/${id}` },
  { name: 'templates', path: () => '/api/templates' },
  { name: 'templates_view', path: () => '/templates' },
  { name: 'template', path: (sample) => `/api/templates/${versionIn(sample)}` },
  { name: 'template_view', path: (sample) => `/templates/${versionIn(sample)}` },
  { name: 'stats', path: () => '/api/status' },
  { name: 'savings', path: () => '/api/savings' },
  { name: 'savings_week', path: () => '?period=week&savings=1' },
  { name: 'savings_month', path: () => '?period=month&savings=1' },
  { name: 'internalization', path: internalizationIn },
  { name: 'pairs', path: (sample) => `${internalizationIn(sample)}/pairs` },
  {
    name: 'pairs_rare',
    path: (sample) => `${internalizationIn(sample)}/pairs?outcome=upstream-differs`,
  },
  { name: 'newest_requests', path: (sample) => `${internalizationIn(sample)}/traffic` },
]
