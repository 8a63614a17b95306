/**
 * Writes every reason for the page, the command line, the webhook and the log: its cause, and what would help. Both are
 * clauses without a full stop, which stand behind a colon or in a sentence of their own (`sentenceOf`).
 */
import { minuteText, partText } from '../days.ts'
import { dollars, percent } from '../figure-text.ts'
import type { Reason, ReasonCode, ReasonFigures, SaidReason, Sayings } from '../reason.ts'
import { KIND_WORDS, answerKindOf, stanceText } from '../terms/terms.ts'
import { MORE_TRAFFIC, OTHER_ANSWERS, VERDICT_SAYINGS, refusalText } from './verdict-sayings.ts'
import { badText, differenceText, points } from '../outcomes/outcome-text.ts'
import { capitalText, countsText, lossText } from '../rollout/evidence-text.ts'

/** The reasons of a live route in words. */
const changedCoverage = ({
  coverage,
}: {
  coverage: { audited: number; before: number; after: number } | null
}): string => {
  if (coverage === null) return ''
  const { audited, before, after } = coverage
  const [then, now] = [before, after].map((requests) => percent(requests / Math.max(1, audited)))
  return `; it answers ${now} of the audited requests, ${then} before`
}

const border = (
  figures: ReasonFigures['border-widened'],
  [only, since]: [only: string, since: string]
): string =>
  `answers ${only}from a confidence of ${figures.threshold.toPrecision(3)} on: it disagrees with the upstream in ` +
  `${countsText(figures, `${figures.pairs} requests`)} of that confidence${since}; evidence ` +
  capitalText(figures.evidence) +
  changedCoverage(figures)

const WITHHELD_WORDS: Record<'answer' | 'request', (count: number) => string> = {
  answer: (count) => `no longer gives ${count} of its answers`,
  request: (count) => `no longer answers ${count} of its kinds of requests`,
}

const INDICATOR_TEXTS: Record<ReasonFigures['questions-changed']['indicator'], string> = {
  fallbacks: 'would go to the upstream',
  'low-confidence': 'get an answer with a confidence below the median of the proof',
  'long-questions': 'are longer than the 90th percentile of the proof',
  'new-labels': 'get a new label from the upstream',
}

const withheldText = (figures: ReasonFigures['withheld']): string =>
  figures.parts
    .map(
      (part) =>
        `${WITHHELD_WORDS[part.kind](part.count)}: wrong in ` +
        `${countsText(part, `${part.pairs} requests`)}; evidence ${capitalText(part.evidence)}`
    )
    .join('; ') + changedCoverage(figures)

type RouteCode =
  | 'stage-entered'
  | 'border-widened'
  | 'border-narrowed'
  | 'withheld'
  | 'rolled-back'
  | 'rated-worse'
  | 'loss-risen'
  | 'questions-changed'
  | 'stage-too-young'
  | 'part-of-day-missing'

const ROUTE_SAYINGS: Sayings<RouteCode> = {
  'stage-entered': (found) => ({
    says: `it disagrees with the upstream in ${lossText(found)}; evidence ${capitalText(found.evidence)}`,
  }),
  'border-widened': (figures) => ({ says: border(figures, ['', '']) }),
  'border-narrowed': (figures) => ({
    says: border(figures, ['only ', ', since the others got worse']),
  }),
  withheld: (figures) => ({ says: withheldText(figures) }),
  'rolled-back': (found) => ({
    says:
      `rolled back: it disagrees with the upstream in ${lossText(found)}; the limit is ${percent(found.margin)}; ` +
      `evidence ${capitalText(found.evidence)}`,
    helps: 'it cannot go live again: a new internalization needs a proof of its own',
  }),
  'rated-worse': (figures) => ({
    says:
      `rolled back: users rate it worse: ${badText(figures)}; the difference is ${differenceText(figures)}; ` +
      `the limit is ${points(figures.margin)}; evidence ${capitalText(figures.evidence)}`,
    helps: 'it cannot go live again: a new internalization needs a proof of its own',
  }),
  'loss-risen': (found) => ({
    says:
      `its traffic has changed: it disagrees with the upstream in ${lossText(found)}; the proof showed at most ` +
      `${percent(found.proven)}; evidence ${capitalText(found.evidence)}`,
  }),
  'questions-changed': ({ indicator, seen, requests, share, bound, evidence }) => ({
    says:
      `its questions have changed: ${percent(seen / requests)} of ${requests} audited requests ` +
      `${INDICATOR_TEXTS[indicator]}; the proof showed ${percent(share)}, at most ` +
      `${percent(bound)}; evidence ${capitalText(evidence)}`,
  }),
  'stage-too-young': ({ until }) => ({ says: `waits until ${minuteText(until)} UTC` }),
  'part-of-day-missing': ({ part, pairs, needed }) => ({
    says: `${pairs === 0 ? 'no pair' : `${pairs} of ${needed} pairs`} yet between ${partText(part)}`,
  }),
}

const INDEPENDENT = 'set BURST_MINUTES=0 if the requests do not depend on each other'

const lorasHelp = ({ hasLoras }: { hasLoras: boolean }): string =>
  hasLoras ? 'enable loras (ARMS)' : 'set a base model for loras (MODEL_PATH)'

const listed = (counts: Readonly<Partial<Record<string, number>>>): string =>
  Object.entries(counts)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')

const SUCCESSIONS: Record<ReasonFigures['follows']['why'], string> = {
  'rolled-back': 'was rolled back: it learns from the traffic since then',
  drifted: 'has drifted: it learns from the newer traffic',
  'new-traffic': 'has as much new traffic as it was made from: it learns from all of it',
}

const modelProof = ({ requests, usd }: { requests: number; usd: number }): string =>
  `its proof sends ${requests} requests for about ${dollars(usd)}`

const FIELD_HEAD: Record<'encoder' | 'arm', string> = {
  encoder: 'set ENCODER_PATH',
  arm: 'add field-head to ARMS',
}

const freeText = ({ fieldHead, judge }: ReasonFigures['free-text']): SaidReason => {
  const { helps } = sayReason(judge)
  const wish = `${helps}, or ${OTHER_ANSWERS}`
  return fieldHead === null
    ? {
        says: 'the answers are free text without a form, which the gate cannot compare without a judge',
        helps: wish,
      }
    : {
        says: 'the answers are free text, which the gate cannot compare without a judge',
        helps: `${wish}, or, if they are written from a few patterns, ${FIELD_HEAD[fieldHead]} for a field head`,
      }
}

const SAYINGS: Sayings<ReasonCode> = {
  ...VERDICT_SAYINGS,
  ...ROUTE_SAYINGS,

  said: ({ text }) => ({ says: text }),
  'by-a-person': () => ({ says: 'a person has decided it' }),
  replaced: ({ by }) => ({ says: `replaced by ${by}` }),
  forgotten: () => ({
    says: 'it was trained on records that were forgotten',
    helps: 'internalize again, which learns from the remaining traffic',
  }),
  error: ({ message }) => ({ says: message, helps: 'fix the cause, then internalize again' }),
  follows: ({ of, why }) => ({ says: `follows ${of}, which ${SUCCESSIONS[why]}` }),
  'tries-again': ({ of, isOfNewTraffic }) => ({
    says: isOfNewTraffic
      ? `tries ${of} again, with the traffic since the upstream changed`
      : `tries ${of} again, with as much new traffic as it was made from`,
  }),
  'predecessor-rolled-back': ({ because }) => ({
    says: `the route that it follows was rolled back, and its traffic is older: ${sayReason(because).says}`,
    helps: 'the worker begins a new one from newer traffic',
  }),

  'too-few-to-split': ({ exchanges }) => ({
    says: `the log has ${exchanges} exchanges of the template, too few to train on some and hold others out`,
    helps: 'send or import more traffic',
  }),
  'one-conversation': ({ exchanges }) => ({
    says: `the log has ${exchanges} exchanges of the template, all in one conversation, which cannot be used for both training and judging`,
    helps: 'send or import more conversations',
  }),
  'one-burst': ({ exchanges, burstMinutes, since }) => ({
    says:
      `the log has ${exchanges} exchanges of the template, all in one burst (BURST_MINUTES=${burstMinutes}) from ` +
      `${minuteText(since)} UTC on, and one burst cannot be used for both training and judging`,
    helps: `send traffic for longer, import with times (at or created), or ${INDEPENDENT}`,
  }),
  'one-key': () => ({
    says: 'nearly all exchanges were sent with one issued key, and the template is for all keys',
    helps:
      'wait until others send more, or internalize the template of that key alone once it is found',
  }),
  'context-too-short': ({ tokens, model }) => ({
    says: `no request fits the ${tokens} tokens of ${model}, even without the prompt`,
    helps: 'choose a base model with a longer context',
  }),
  'few-text-answers': ({ answerable, minCoverage, others }) => ({
    says:
      `the upstream answers only ${percent(answerable)} of the held-out requests with plain text or function ` +
      `calls (the others: ${listed(others)}); a lora gives no other answers, and ${percent(minCoverage)} must be answered`,
    helps: 'use a separate prompt for the other requests',
  }),
  'too-few-held-out': ({ rows, needed, margin }) => ({
    says: `${rows} held-out exchanges are too few to show a loss under ${percent(margin)}: at least ${needed} are needed`,
    helps: `${MORE_TRAFFIC}, or raise MARGIN`,
  }),
  'held-out-in-bursts': ({ rows, worth, needed, margin }) => ({
    says:
      `${rows} held-out exchanges came in conversations and bursts and count as ${worth.toFixed(1)} independent ones, ` +
      `too few to show a loss under ${percent(margin)}: at least ${needed} are needed`,
    helps: `log traffic for longer, or ${INDEPENDENT}`,
  }),
  'too-few-unseen': ({ rows, needed, margin }) => ({
    says:
      `only ${rows} held-out questions are new to training, and at least ${needed} are needed to ` +
      `show a loss under ${percent(margin)} on new questions`,
    helps: MORE_TRAFFIC,
  }),
  'too-varied': ({ proven, least, minCoverage }) => ({
    says:
      `only ${percent(proven)} of the held-out requests are of a kind that at least ${least} of them have, and ` +
      `${percent(minCoverage)} must be answered`,
    helps:
      'send the same parameters and headers with each request, name headers that change no answer in ' +
      'IRRELEVANT_HEADERS, or give each kind a prompt of its own',
  }),

  'unsupported-format': ({ message }) => ({
    says: `no answer can be checked against the response format: ${message}`,
    helps: 'a JSON schema within the limits of the documentation, or none',
  }),
  'free-text': freeText,
  'written-fields': ({ paths, judge }) => ({
    says: `the gate cannot compare the written fields of the answers (${paths.join(', ')}) without a judge`,
    helps: `${sayReason(judge).helps}, or remove their rules with "promptintern template --field", so that they must be equal`,
  }),
  'rules-without-json': () => ({
    says: 'the template has rules for fields, and its answers are not JSON',
    helps: 'remove the rules with "promptintern template --field", or ask for JSON',
  }),
  'no-judge-named': () => ({
    says: 'no judge is named',
    helps: 'name one with JUDGE_MODEL and PROOF_USD',
  }),
  'no-key-for-judge': () => ({
    says: 'the judge cannot be asked',
    helps: 'set UPSTREAM_API_KEY, with which the judge is asked and second answers are bought',
  }),
  'replays-limited': () => ({
    says: 'UPSTREAM_REPLAYS limits the second answers of the upstream',
    helps:
      'unset UPSTREAM_REPLAYS, since a judge needs two answers of today to every held-out request',
  }),
  'no-price-of-judge': ({ model }) => ({
    says: `no price of ${model} is known`,
    helps: `add a price of ${model} to PRICES_FILE`,
  }),
  'judge-of-same-maker': ({ sibling }) => ({
    says: `the judge has the maker of ${sibling}`,
    helps: `name a judge of another maker than ${sibling}, since models prefer answers like their own`,
  }),
  'consent-needed': ({ type, consent, terms }) => ({
    // the setting comes first, because tables cut the text
    says:
      `training on ${KIND_WORDS[answerKindOf(type)]} of ${terms.map(({ host }) => host).join(', ')} needs your consent: set ` +
      `TRAINING_CONSENT=${consent.join(',')} and restart the proxy if your own agreement allows it (docs/privacy.md); ` +
      terms.map(stanceText).join('; '),
    helps: 'the prompt is tried again at once after the restart',
  }),

  'no-arm-left': ({ reasons }) => ({ says: reasons.map(reasonText).join('; ') }),
  'not-labels': (figures) => ({
    says: 'the answers are not labels, and a head learns only labels',
    helps: lorasHelp(figures),
  }),
  'labels-not-shown': (figures) => ({
    says:
      `${figures.answers} answers to learn from have ${figures.values} different, recurring values: ` +
      `about ${figures.missing} more rows would show whether these are a closed list of labels`,
    helps: `${MORE_TRAFFIC}, or ${lorasHelp(figures)}`,
  }),
  'no-encoder': (figures) => ({
    says: 'the engine has no encoder for a head',
    helps: `set ENCODER_PATH, or ${lorasHelp(figures)}`,
  }),
  'one-label': (figures) => ({
    says: 'all answers to learn from are the same, and a head needs two labels',
    helps: lorasHelp(figures),
  }),
  'no-label-head': (figures) => ({
    says: 'the answers are labels, and ARMS has no label-head',
    helps: `add it, or ${lorasHelp(figures)}`,
  }),
  'prompt-too-long': ({ tokens, model }) => ({
    says: `the prompt does not fit the ${tokens} tokens of ${model}`,
  }),
  'model-is-present': ({ model }) => ({
    says: `${model} does not compete: it is the present model`,
  }),
  'model-without-chat': ({ model }) => ({
    says: `${model} does not compete: the requests are of the Responses API, which no other model is asked in`,
  }),
  'model-without-price': ({ model, of }) => ({
    says: `${model} does not compete: no price of ${of} is known`,
    helps: 'add it to PRICES_FILE',
  }),
  'model-not-cheaper': ({ model, usd, present, presentUsd }) => ({
    says: `${model} does not compete: a median request costs ${dollars(usd)} with it and ${dollars(presentUsd)} with ${present}`,
  }),
  'model-without-key': ({ model }) => ({
    says: `${model} does not compete: it is asked with your own key`,
    helps: 'set UPSTREAM_API_KEY',
  }),
  'model-unpaid': ({ model, ...proof }) => ({
    says: `${model} does not compete: ${modelProof(proof)}`,
    helps: 'PROOF_USD allows it',
  }),
  'model-over-budget': ({ model, leftUsd, ...proof }) => ({
    says: `${model} does not compete: ${modelProof(proof)}, and PROOF_USD leaves ${dollars(leftUsd)}`,
  }),
  'model-budget-spent': ({ model }) => ({
    says: `${model} does not compete: PROOF_USD is spent`,
  }),
  'model-not-sendable': ({ model }) => ({
    says: `${model} does not compete: its requests may not be sent with your key: they name another host or resource`,
  }),
  'model-silent': ({ model }) => ({
    says: `${model} does not compete: the upstream does not answer with it`,
  }),
  'model-refused': ({ model, ...answer }) => ({
    says: `${model} does not compete: the upstream refuses it with ${refusalText(answer)}`,
  }),
  'model-no-completion': ({ model }) => ({
    says: `${model} does not compete: its answer is no completion`,
  }),

  'no-estimate': ({ type }) => ({
    says: `there is no quick estimate for answers of the type ${type}`,
    helps:
      type === 'free-text'
        ? 'a lora may give them where a judge compares them (JUDGE_MODEL)'
        : 'a lora may learn them',
  }),
  'too-many-labels': ({ labels, exchanges }) => ({
    says: `${labels} labels are too many for the quick estimate`,
    helps: `an internalization, which learns from all ${exchanges} exchanges, may learn them`,
  }),
  'form-without-encoder': () => ({
    says: 'a field head may fill the form of the answers, and its coverage is estimated with a sentence encoder',
    helps: 'name one with --encoder or ENCODER_PATH',
  }),
  'field-head-untried': ({ seconds, rowsPerSecond }) => ({
    says:
      rowsPerSecond === null
        ? `the ${seconds} seconds of a scan for field heads went to templates with more requests`
        : `this machine learns ${rowsPerSecond.toFixed(1)} rows a second, too few for an estimate of a field head in ${seconds.toFixed(0)} seconds`,
    helps: 'an internalization shows what one answers',
  }),
  'field-head-cut': ({ rows, agreement }) => ({
    says:
      `a field head that learned from ${rows} rows for less than a minute agrees on ${percent(agreement)} of all ` +
      'answers, too few to go live',
    helps: 'an internalization learns longer',
  }),
}

export const REASON_CODES = Object.keys(SAYINGS) as ReasonCode[]

export const sayReason = ({ code, figures }: Reason): SaidReason =>
  (SAYINGS[code] as (figures: Reason['figures']) => SaidReason)(figures)

/** `cause: what would help`, for one line. */
export const reasonText = (reason: Reason): string => {
  const { says, helps } = sayReason(reason)
  return helps === undefined ? says : `${says}: ${helps}`
}

/** A clause as a sentence of its own. */
export const sentenceOf = (clause: string): string => {
  const begun = clause.charAt(0).toUpperCase() + clause.slice(1)
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}
