/** What waits for a decision and what is wrong, each in a sentence with a link. Pure. */
import { sayReason } from '../../../core/reasons/say-reason.ts'
import {
  rolloutStageOf,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import {
  retirementText,
  type FollowedRetirement,
  type Retirement,
} from '../../../core/cost/retirements.ts'
import type { Child } from 'hono/jsx'
import { type CacheReport, otherTitle, causeText } from '../../../core/cache/cache-report.ts'
import { stageName } from '../../../core/rollout/stages.ts'
import { BASE } from '../env.ts'
import { Notice, Time } from '../parts/figures.tsx'
import { counted, percent, whole } from '../../../core/figure-text.ts'
import { Followers, TemplateLink, type Names } from '../links.tsx'
import { stateText } from '../../../views/say-state.ts'
import { Line } from '../parts/text.tsx'
import { healthSentences } from './health.tsx'
import type { LoadedOverview, WatchedRoute } from './load-overview.ts'
import { Look, type Sentence } from './sentence.tsx'
import { compact, itemAt } from '../../../core/lists.ts'

/** of one kind, so that the figures below stay in sight */
const MAX_SHOWN = 3

const waitingSentence = (row: Internalization, names: Names): Sentence => {
  const winner = row.verdict?.arms[row.verdict.arm]
  return {
    tone: 'waits',
    says: (
      <>
        <TemplateLink version={row.templateVersion} names={names} /> waits for a decision.
        {winner !== undefined && (
          <>
            {' '}
            It would answer {percent(winner.coverage)} of the requests; of these at least{' '}
            {percent(winner.agreementAnsweredBound)} agree with the upstream (
            {percent(winner.agreementAnswered)} observed on{' '}
            {counted(winner.samples.traffic.answered, 'held-out request')}).
          </>
        )}{' '}
        <Look id={row.id} words="Review and decide" open="approve" />
      </>
    ),
  }
}

const routeSentences = ({ row, report, next }: WatchedRoute, names: Names): Sentence[] => {
  if (report === null) return []
  const template = <TemplateLink version={row.templateVersion} names={names} />
  const look = <Look id={row.id} words="Review and decide" />
  return compact([
    report.driftedAt !== null && {
      tone: 'bad',
      says: (
        <>
          The traffic of {template} has changed since <Time at={report.driftedAt} /> UTC:{' '}
          <Line text={report.drift === null ? '' : sayReason(report.drift).says} chars={400} />.{' '}
          {look}
        </>
      ),
    },
    next !== null && {
      tone: 'waits',
      says: (
        <>
          {template} can enter the stage {stageName(next)}: there is enough evidence.{' '}
          <Look id={row.id} words="Review and decide" open="approve" />
        </>
      ),
    },
  ])
}

/** From so many days before it on, a model that is retired is in the way of everything else. */
const SOON_DAYS = 30

const retirementSentence = (retirement: Retirement): Sentence => ({
  tone: retirement.daysLeft <= SOON_DAYS ? 'bad' : 'waits',
  says: (
    <>
      The provider’s model <Line text={retirement.model} chars={80} /> {retirementText(retirement)}:{' '}
      <a href={`${BASE}/templates`}>{counted(retirement.templates, 'template')}</a>.
    </>
  ),
})

/** No alarm: a person has decided what the requests will name. */
const followedSentence = (retirement: FollowedRetirement, names: Names): Sentence => ({
  tone: 'plain',
  says: (
    <>
      The provider’s model <Line text={retirement.model} chars={80} /> {retirementText(retirement)}:{' '}
      {counted(retirement.templates, 'template')} followed by{' '}
      <Followers followers={retirement.followers} names={names} />.
    </>
  ),
})

/** A mend that saves less a month is not worth a person's time. */
const LEAST_USD = 1

const savedBy = ({ usdPerMonth }: CacheReport): number => usdPerMonth ?? 0

const isWorthIt = (cache: CacheReport): boolean => savedBy(cache) >= LEAST_USD

const cacheSentence = (cache: CacheReport, of: Child): Sentence => ({
  tone: 'waits',
  says: (
    <>
      The provider’s cache is not read as far as it could be, for {of}:{' '}
      <Line text={causeText(itemAt(cache.causes, 0))} chars={400} />
    </>
  ),
})

/** Most money first. */
const cacheSentences = ({ caches: { templates, others }, names }: LoadedOverview): Sentence[] => [
  ...[...templates]
    .filter(([version, cache]) => names.has(version) && isWorthIt(cache))
    .toSorted(([, one], [, other]) => savedBy(other) - savedBy(one))
    .map(([version, cache]) =>
      cacheSentence(cache, <TemplateLink version={version} names={names} />)
    ),
  ...others
    .filter(({ cache }) => isWorthIt(cache))
    .map((other) => cacheSentence(other.cache, <Line text={otherTitle(other)} chars={200} />)),
]

const pausedSentence = (row: Internalization, names: Names): Sentence => ({
  tone: 'waits',
  says: (
    <>
      The route of <TemplateLink version={row.templateVersion} names={names} /> has been paused
      since <Time at={row.updatedAt} /> UTC: the upstream answers its requests.{' '}
      <Look id={row.id} words="Review and decide" />
    </>
  ),
})

const failedSentence = (row: Internalization, names: Names): Sentence => ({
  tone: 'bad',
  says: (
    <>
      Internalizing <TemplateLink version={row.templateVersion} names={names} /> failed:{' '}
      <Line text={stateText(row.state)} chars={300} />. <Look id={row.id} words="Details" />
    </>
  ),
})

/** The first ones, and how many more there are. */
const firstOf = (sentences: Sentence[], address: string): Sentence[] => {
  const more = sentences.length - MAX_SHOWN
  if (more <= 0) return sentences
  const last: Sentence = {
    tone: 'plain',
    says: <a href={address}>{whole(more)} more like these</a>,
  }
  return [...sentences.slice(0, MAX_SHOWN), last]
}

const sentencesOf = (overview: LoadedOverview): Sentence[] => {
  const { waiting, routes, failed, retirements, forgetting, names } = overview
  const paused = routes.filter(({ row }) => rolloutStageOf(row.state)?.isPaused === true)
  const templates = `${BASE}/templates`
  return compact([
    ...healthSentences(overview),
    ...firstOf(retirements.open.map(retirementSentence), templates),
    ...firstOf(
      retirements.followed.map((one) => followedSentence(one, names)),
      templates
    ),
    ...firstOf(
      routes.flatMap((route) => routeSentences(route, names)),
      `${templates}?state=live`
    ),
    ...firstOf(
      paused.map(({ row }) => pausedSentence(row, names)),
      `${templates}?state=live`
    ),
    ...firstOf(cacheSentences(overview), templates),
    ...firstOf(
      waiting.map((row) => waitingSentence(row, names)),
      `${templates}?state=approval`
    ),
    ...firstOf(
      failed.map((row) => failedSentence(row, names)),
      `${templates}?state=failed`
    ),
    forgetting !== 0 && {
      tone: 'waits',
      says: (
        <>
          The worker has not finished {counted(forgetting, 'forget request')} yet.{' '}
          <a href={`${BASE}/jobs`}>Jobs</a>
        </>
      ),
    },
  ])
}

export const Attention = ({ overview }: { overview: LoadedOverview }) => {
  const sentences = sentencesOf(overview)
  return sentences.length === 0 ? (
    <Notice tone="good">Nothing waits for a decision, and nothing is wrong.</Notice>
  ) : (
    <>
      {sentences.map(({ tone, says }) => (
        <Notice tone={tone}>{says}</Notice>
      ))}
    </>
  )
}
