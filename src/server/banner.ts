/** The first words of a server to a person at a terminal: where clients and people find it, and what it does. */
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { CHANGED_CONSTANTS, isChanged } from '../config/constants.ts'

/** Of the address that the server listens on, where a client on this machine reaches it. */
const ownBaseUrl = (host: string, port: number): string => {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`
}

const engineText = ({ engine }: Config): string => {
  switch (engine.kind) {
    case 'none':
      return 'none: prompts are detected, but nothing is trained (ENGINE=onnx ENCODER_PATH=… trains label heads)'
    case 'onnx':
      return [
        ...(engine.encoderPath === null ? [] : ['label heads']),
        ...(engine.modelPath === null ? [] : ['loras']),
      ].join(' and ')
    case 'http':
      return engine.url
    case 'fake':
      return 'fake, for tests'
  }
}

const webhookText = (secret: string | null): string =>
  secret === null ? 'unsigned messages for Slack, as there is no WEBHOOK_SECRET' : 'signed events'

/** @param port that the server listens on */
export const bannerText = (config: Config, port: number): string => {
  const origin = ownBaseUrl(config.host, port)
  const token =
    config.adminToken !== null
      ? 'ADMIN_TOKEN'
      : `the token in ${join(config.dataDir, 'secrets.json')}`
  return [
    'promptintern listens.',
    `  clients   base URL ${origin}/v1, which forwards to ${config.upstream.baseUrl}`,
    `  people    ${origin}/admin, with ${token}`,
    `  learning  ${engineText(config)}`,
    ...(config.webhook === null ? [] : [`  webhook   ${webhookText(config.webhook.secret)}`]),
    ...(isChanged(config)
      ? [`  CHANGED   ${JSON.stringify(config.changedConstants)}: ${CHANGED_CONSTANTS}`]
      : []),
    '',
  ].join('\n')
}
