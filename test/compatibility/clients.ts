/**
 * The clients, with the versions that are played. A new one needs a script in `scripts/python` or
 * `scripts/node`, which gives `play` one function for each kind of conversation, and an entry here. A
 * framework that words its questions in a protocol of its own also needs an answer in `warehouse.ts`.
 */
import { CHROMIUM } from '../browser/chromium.ts'
import type { Scenario } from './conversations.ts'
import { NODE_PACKAGE, type Environment } from './environments.ts'

/** Conversations of a scenario to learn from, where the usual number is too small for a proof. */
type Learned = Partial<Record<Scenario, number>>

export interface Client {
  name: string
  environment: Environment
  script: string
  /** argument of the script */
  variant: string
  learned: Learned
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

/** For a proof of one turn alone, where the turns of a client do not share a template. */
const ENOUGH = 630

/** Where the API keeps the history, no turn but the first says it. */
const learnedBy = (variant: string): Learned =>
  variant.startsWith('responses') ? { tools: ENOUGH, chat: ENOUGH } : {}

/** A client for each variant. */
const inEach = (
  environment: Environment,
  script: string,
  variants: string[],
  learned?: Learned
): Client[] =>
  variants.map((variant) => ({
    name: `${environment.name} ${variant}`,
    environment,
    script,
    variant,
    learned: learned ?? learnedBy(variant),
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
  ...inEach(python('openai-agents-python', 'openai-agents==0.24.0'), 'openai_agents.py', BOTH),
  ...inEach(
    python('langchain-python', 'langchain==1.5.2', 'langchain-openai==1.7.4'),
    'langchain_python.py',
    BOTH
  ),
  ...inEach(
    python('pydantic-ai-python', 'pydantic-ai-slim[openai]==2.68.0'),
    'pydantic_ai_python.py',
    BOTH
  ),
  ...inEach(python('litellm-python', 'litellm==1.110.2'), 'litellm_python.py', ['chat']),
  ...inEach(
    python('instructor-python', 'instructor==1.17.0'),
    'instructor_python.py',
    ['tools', 'json', 'responses'],
    { single: ENOUGH, stream: ENOUGH, tools: ENOUGH, chat: ENOUGH }
  ),
  ...inEach(
    python('llamaindex-python', 'llama-index-core==0.14.25', 'llama-index-llms-openai==0.8.3'),
    'llamaindex_python.py',
    BOTH
  ),
  ...inEach(python('haystack-python', 'haystack-ai==3.4.1'), 'haystack_python.py', BOTH),
  ...inEach(
    python('smolagents-python', 'smolagents[openai]==1.26.0'),
    'smolagents_python.py',
    ['chat'],
    { tools: ENOUGH, chat: ENOUGH }
  ),
  ...inEach(python('dspy-python', 'dspy==3.4.1'), 'dspy_python.py', ['chat', 'json'], {
    tools: ENOUGH,
    chat: ENOUGH,
  }),
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
