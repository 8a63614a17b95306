/** The clients, with the versions that are played. */
import { CHROMIUM } from '../browser/chromium.ts'
import { NODE_PACKAGE, type Environment } from './environments.ts'

export interface Client {
  name: string
  environment: Environment
  script: string
  /** argument of the script */
  variant: string
  /** what this machine lacks for it */
  lacks?: string
}

const python = (name: string, ...packages: string[]): Environment => ({
  name,
  language: 'python',
  packages,
})

const node = (name: string, ...packages: string[]): Environment => ({
  name,
  language: 'node',
  packages,
})

/** A client for each variant. */
const inEach = (environment: Environment, script: string, variants: string[]): Client[] =>
  variants.map((variant) => ({
    name: `${environment.name} ${variant}`,
    environment,
    script,
    variant,
  }))

/** In a page of another origin than the proxy's. */
const inBrowser = (client: Client): Client =>
  CHROMIUM === null ? { ...client, lacks: 'Chromium' } : client

const BOTH = ['chat', 'responses']
const ZOD = 'zod@4.6.7'
const AI_SDK = ['chat', 'responses', 'compatible']

/** For packages that need a newer Node than the proxy. */
const NODE_22 = `${NODE_PACKAGE}@22.23.5`

export const CLIENTS: Client[] = [
  ...inEach(python('openai-python-3', 'openai==3.57.0'), 'openai_python.py', BOTH),
  ...inEach(python('openai-python-2', 'openai==2.54.0'), 'openai_python.py', BOTH),
  ...inEach(node('openai-node-7', 'openai@7.59.0'), 'openai-node.mjs', BOTH),
  ...inEach(node('openai-node-6', 'openai@6.49.0'), 'openai-node.mjs', BOTH),
  ...inEach(
    node(
      'ai-sdk-5',
      'ai@5.0.277',
      '@ai-sdk/openai@2.0.131',
      '@ai-sdk/openai-compatible@1.0.61',
      ZOD
    ),
    'ai-sdk.mjs',
    AI_SDK
  ),
  ...inEach(
    node(
      'ai-sdk-6',
      'ai@6.0.326',
      '@ai-sdk/openai@3.0.141',
      '@ai-sdk/openai-compatible@2.0.92',
      ZOD
    ),
    'ai-sdk.mjs',
    [...AI_SDK, 'chat-streamed', 'responses-streamed']
  ),
  ...inEach(
    node(
      'ai-sdk-7',
      NODE_22,
      'ai@7.0.173',
      '@ai-sdk/openai@4.0.118',
      '@ai-sdk/openai-compatible@3.0.92',
      ZOD
    ),
    'ai-sdk.mjs',
    AI_SDK
  ),
  ...inEach(
    node('openai-agents-js-0.20', '@openai/agents@0.20.0', 'openai@7.59.0', ZOD),
    'agents-js.mjs',
    BOTH
  ),
  ...inEach(
    node(
      'langchain-js-1',
      NODE_22,
      'langchain@1.5.14',
      '@langchain/openai@1.6.0',
      '@langchain/core@1.4.0',
      '@langchain/langgraph@1.7.3',
      ZOD
    ),
    'langchain-js.mjs',
    BOTH
  ),
  ...inEach(
    node(
      'mastra-1',
      NODE_22,
      '@mastra/core@1.71.0',
      '@mastra/memory@1.31.0',
      '@ai-sdk/openai@3.0.141',
      ZOD
    ),
    'mastra.mjs',
    BOTH
  ),
  ...inEach(
    node('openai-browser-7', 'openai@7.59.0', 'playwright-core@1.65.1', 'esbuild@0.28.2'),
    'openai-browser.mjs',
    BOTH
  ).map(inBrowser),
]
