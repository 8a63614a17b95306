/** What waits for a decision and what is wrong, each in a sentence with a link. Pure. */
import type { Child } from 'hono/jsx'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { stageName } from '../../../core/rollout/stages.ts'
import type { ProcessStatus } from '../../deps.ts'
import { internalizationPath } from '../address.ts'
import { BASE } from '../env.ts'
import { Notice, Time, type Tone } from '../parts/figures.tsx'
import { counted, percent, whole } from '../parts/format.ts'
import { TemplateLink, type Names } from '../parts/links.tsx'
import { reasonOf } from '../parts/state.tsx'
import { Line } from '../parts/text.tsx'
import type { LoadedOverview, WatchedRoute } from './load-overview.ts'

/** of one kind, so that the figures below stay in sight */
const MAX_SHOWN = 3

interface Sentence {
  tone: Tone
  says: Child
}

const Look = ({ id, words }: { id: string; words: string }) => (
  <a href={internalizationPath(id)}>{words}</a>
)

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
            Its lora would answer {percent(winner.coverage)} of the requests; of these at least{' '}
            {percent(winner.agreementAnsweredBound)} agree with the upstream (
            {percent(winner.agreementAnswered)} observed on{' '}
            {counted(winner.samples.traffic.answered, 'held-out request')}).
          </>
        )}{' '}
        <Look id={row.id} words="Look and decide" />
      </>
    ),
  }
}

const routeSentences = ({ row, report, next }: WatchedRoute, names: Names): Sentence[] => {
  const template = <TemplateLink version={row.templateVersion} names={names} />
  const look = <Look id={row.id} words="Look and decide" />
  return [
    ...(report.driftedAt === null
      ? []
      : [
          {
            tone: 'bad' as const,
            says: (
              <>
                The traffic of {template} has changed since <Time at={report.driftedAt} /> UTC:{' '}
                <Line text={report.drift ?? 'the report says no more'} chars={400} />. {look}
              </>
            ),
          },
        ]),
    ...(next === null
      ? []
      : [
          {
            tone: 'waits' as const,
            says: (
              <>
                {template} may enter the stage {stageName(next)}: the evidence is there. {look}
              </>
            ),
          },
        ]),
    ...(report.deprecatedOn === null
      ? []
      : [
          {
            tone: (report.isDeprecated ? 'bad' : 'waits') as Tone,
            says: (
              <>
                The provider retires the model of {template} on {report.deprecatedOn}.
              </>
            ),
          },
        ]),
  ]
}

const pausedSentence = (row: Internalization, names: Names): Sentence => ({
  tone: 'waits',
  says: (
    <>
      The route of <TemplateLink version={row.templateVersion} names={names} /> is paused since{' '}
      <Time at={row.updatedAt} /> UTC: the upstream answers its requests.{' '}
      <Look id={row.id} words="Look and decide" />
    </>
  ),
})

const failedSentence = (row: Internalization, names: Names): Sentence => ({
  tone: 'bad',
  says: (
    <>
      Internalizing <TemplateLink version={row.templateVersion} names={names} /> failed:{' '}
      <Line text={reasonOf(row.state)} chars={300} />. <Look id={row.id} words="Look" />
    </>
  ),
})

const logSentences = ({ log, logIsTaken }: ProcessStatus): Sentence[] => {
  const dropped = `${counted(log.dropped, 'exchange')} since the server started`
  if (!logIsTaken)
    return [{ tone: 'bad', says: `The log takes no records: it has dropped ${dropped}.` }]
  return log.dropped === 0
    ? []
    : [{ tone: 'waits', says: `The log has dropped ${dropped}, because it could not keep up.` }]
}

const processSentences = (status: ProcessStatus): Sentence[] => {
  const { engine, engineReachable, worker } = status
  return [
    ...(engine !== 'none' && !engineReachable
      ? [
          {
            tone: 'bad' as const,
            says: 'The engine does not answer: the upstream answers all requests, and training waits.',
          },
        ]
      : []),
    ...(worker === 'restarting'
      ? [
          {
            tone: 'bad' as const,
            says: 'The worker restarts: nothing is trained, judged or audited until it is back.',
          },
        ]
      : []),
    ...logSentences(status),
  ]
}

/** The first ones, and how many more there are. */
const firstOf = (sentences: Sentence[], address: string): Sentence[] => {
  const more = sentences.length - MAX_SHOWN
  if (more <= 0) return sentences
  const last = { tone: 'plain' as const, says: <a href={address}>{whole(more)} more like these</a> }
  return [...sentences.slice(0, MAX_SHOWN), last]
}

const sentencesOf = (overview: LoadedOverview): Sentence[] => {
  const { waiting, paused, routes, failed, forgetting, names, status } = overview
  const templates = `${BASE}/templates`
  return [
    ...processSentences(status),
    ...firstOf(
      routes.flatMap((route) => routeSentences(route, names)),
      `${templates}?state=live`
    ),
    ...firstOf(
      paused.map((row) => pausedSentence(row, names)),
      `${templates}?state=live`
    ),
    ...firstOf(
      waiting.map((row) => waitingSentence(row, names)),
      `${templates}?state=approval`
    ),
    ...firstOf(
      failed.map((row) => failedSentence(row, names)),
      `${templates}?state=failed`
    ),
    ...(forgetting === 0
      ? []
      : [
          {
            tone: 'waits' as const,
            says: (
              <>
                The worker has not finished {counted(forgetting, 'forgetting')} yet.{' '}
                <a href={`${BASE}/jobs`}>Jobs</a>
              </>
            ),
          },
        ]),
  ]
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
