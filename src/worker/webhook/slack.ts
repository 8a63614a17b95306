/** An event as the body of an incoming webhook of Slack, which Mattermost and others read, too. Pure. */
import { percent } from '../../core/gate/figures.ts'
import { stageName } from '../../core/rollout/stages.ts'
import { shortId } from '../../core/template/name.ts'
import type { EventType, WebhookEvent } from './event.ts'

const WORDS: Record<EventType, string> = {
  'internalization.approval': 'waits for your approval',
  'internalization.rejected': 'was rejected',
  'internalization.failed': 'failed',
  'rollout.promoted': 'is live',
  'rollout.stage': 'entered another stage',
  'rollout.border': 'answers more of its requests',
  'rollout.narrowed': 'answers fewer of its requests: the answers to the others got worse',
  'rollout.withheld': 'no longer answers a part of its requests',
  'rollout.paused': 'is paused: the upstream answers its requests',
  'rollout.resumed': 'goes on after a pause',
  'rollout.drift': 'drifts: its audited answers disagree more often than in the proof',
  'rollout.rolled_back': 'was rolled back: the upstream answers its requests',
  'rollout.retired': 'was replaced by its successor',
  'rollout.restored': 'is live again, as its successor was rolled back',
}

/** Is not seen, and ends the name that an `@` begins. */
const ZERO_WIDTH_SPACE = '\u200b'

/**
 * https://docs.slack.dev/messaging/formatting-message-text: three characters begin its own syntax. Mattermost calls
 * a whole channel where a text has `@channel`, and people choose the names that they sign in with.
 */
const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('@', `@${ZERO_WIDTH_SPACE}`)

export const slackBody = ({ type, data }: WebhookEvent): string => {
  const { template, internalization, to, by, reason, proof } = data
  const lines = [
    `Template \`${shortId(template)}\` ${WORDS[type]}`,
    ...(to.share === null ? [] : [`stage: ${stageName({ share: to.share })}`]),
    ...(reason === null ? [] : [`why: ${reason.says}`]),
    ...(proof === null
      ? []
      : [
          `proof: answers ${percent(proof.coverage)} of the requests; at least ` +
            `${percent(proof.agreementAnsweredBound)} of these answers agree with the upstream`,
        ]),
    `internalization \`${shortId(internalization)}\`, by ${by}`,
  ]
  return JSON.stringify({ text: escaped(lines.join('\n')) })
}
