/** What is wrong with this server, its upstream and its engine, and what to do about it. Pure. */
import type { StoredRecord } from '../../../core/log/record.ts'
import { minuteText } from '../../../core/days.ts'
import { errorMessageIn } from '../../../openai/error-body.ts'
import type { ProcessStatus } from '../../deps.ts'
import { recordPath, withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { Time } from '../parts/figures.tsx'
import { counted, percent, whole } from '../../../core/figure-text.ts'
import { Line } from '../parts/text.tsx'
import { sumOf, type Failures, type LoadedOverview, type WithoutEngine } from './load-overview.ts'
import type { Sentence } from './sentence.tsx'
import { compact } from '../../../core/lists.ts'

export const PULL_ENCODER = 'npx promptintern models pull minilm'

/** Where that command puts it. @param dataDir folder of the server's data */
export const encoderIn = (dataDir: string): string =>
  `${dataDir}/models/sentence-transformers--all-MiniLM-L6-v2`

const FAILED_RECORDS = withQuery(`${BASE}/records`, { status: '5xx' })

/** From this share on failures are an outage while they go on. */
const MUCH = 0.01
const GOES_ON_MS = 10 * 60_000

const Reason = ({ record: { status, response } }: { record: StoredRecord }) => {
  if (response === null)
    return <>no answer came from the upstream: check UPSTREAM_BASE_URL and the network</>
  return (
    <>
      status {status}, <Line text={errorMessageIn(response) ?? response} chars={300} />
    </>
  )
}

const failureSentence = (failures: Failures): Sentence => {
  const { failed, requests, since, newest, ageMs } = failures
  const share = failed / requests
  return {
    tone: share >= MUCH && ageMs < GOES_ON_MS ? 'bad' : 'waits',
    says: (
      <>
        {whole(failed)} of {counted(requests, 'request')} since {minuteText(since).slice(11)} UTC
        failed ({percent(share)}).
        {newest !== null && (
          <>
            {' '}
            The newest, at <Time at={newest.at} />: <Reason record={newest} />.{' '}
            <a href={recordPath(newest.id)}>Its record</a> ·
          </>
        )}{' '}
        <a href={FAILED_RECORDS}>all that failed</a>
      </>
    ),
  }
}

const WithoutEngineHelp = ({ dataDir }: Pick<WithoutEngine, 'dataDir'>) => (
  <>
    {' '}
    If the answers are labels, a sentence encoder is enough: run <code>{PULL_ENCODER}</code>, then
    start the server with <code>ENGINE=onnx ENCODER_PATH={encoderIn(dataDir)}</code>. For other
    answers also set MODEL_PATH (see docs/models.md).
  </>
)

const engineSentences = (without: WithoutEngine): Sentence[] => {
  const { waiting, paying, unknown, routes } = without
  const help = <WithoutEngineHelp {...without} />
  return compact([
    routes > 0 && {
      tone: 'bad',
      says: `ENGINE is none, so ${counted(routes, 'live route')} ${routes === 1 ? 'is' : 'are'} inactive: the upstream answers these requests. Start the server with the previous ENGINE.`,
    },
    waiting + paying > 0 && {
      tone: 'waits',
      says: (
        <>
          {compact([
            waiting > 0 && `${counted(waiting, 'internalization')} wait${waiting === 1 ? 's' : ''}`,
            paying > 0 &&
              `${counted(paying, 'template')} would save money and wait${paying === 1 ? 's' : ''}`,
          ]).join(', and ')}{' '}
          for an engine: ENGINE is none, so nothing is trained.{help}
        </>
      ),
    },
    waiting + paying === 0 &&
      unknown > 0 && {
        tone: 'plain',
        says: (
          <>
            {counted(unknown, 'recurring prompt')} found. ENGINE is none, so nothing is trained for{' '}
            {unknown === 1 ? 'it' : 'them'}. <a href={`${BASE}/templates`}>See whether it pays</a>
          </>
        ),
      },
  ])
}

const logSentences = ({ log, logIsTaken }: ProcessStatus): Sentence[] => {
  const dropped = `${counted(log.dropped, 'exchange')} since the server started`
  if (!logIsTaken)
    return [{ tone: 'bad', says: `The log accepts no records: it has dropped ${dropped}.` }]
  return log.dropped === 0
    ? []
    : [{ tone: 'waits', says: `The log has dropped ${dropped}, because the store was too slow.` }]
}

const processSentences = (status: ProcessStatus): Sentence[] => {
  const { engine, engineReachable, worker } = status
  return compact([
    engine !== 'none' &&
      !engineReachable && {
        tone: 'bad',
        says: 'The engine does not answer: the upstream answers all requests, and training waits.',
      },
    worker === 'restarting' && {
      tone: 'bad',
      says: 'The worker is restarting: nothing is trained, judged or audited until it runs again.',
    },
    ...logSentences(status),
  ])
}

export const healthSentences = ({ failures, withoutEngine, status }: LoadedOverview): Sentence[] =>
  compact([
    failures !== null && failureSentence(failures),
    ...processSentences(status),
    ...(withoutEngine === null ? [] : engineSentences(withoutEngine)),
  ])

/** Requests of the period that failed, in a sentence. */
export const FailedShare = ({ overview }: { overview: LoadedOverview }) => {
  const sum = sumOf(overview)
  if (sum === null) return null
  const { failed } = sum
  return failed === 0 ? (
    <p>None of {counted(sum.requests, 'request')} failed.</p>
  ) : (
    <p>
      {percent(failed / sum.requests)} of {counted(sum.requests, 'request')} failed:{' '}
      <a href={FAILED_RECORDS}>{counted(failed, 'error')} of the upstream or of this server</a>.
    </p>
  )
}
