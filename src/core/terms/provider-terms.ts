/**
 * What the terms of the usual upstreams say about training a model on their answers. In our own words, and no legal
 * advice, from what others published who have read the documents: docs/privacy.md has this table, and a test compares
 * both.
 */

/** `asks`: only with the provider's consent, or the terms are not clear */
export type Stance = 'allowed' | 'asks' | 'forbidden'

/**
 * `organized`: labels and fields, that is a model that categorizes, classifies or organizes data; `written`: all
 * other answers.
 */
export type AnswerKind = 'organized' | 'written'

export interface KindTerms {
  stance: Stance
  /** completes "labels and fields: …" */
  says: string
}

export interface ProviderTerms {
  provider: string
  /** exact names in lower case; a `*` stands for one or more characters */
  hosts: readonly string[]
  /** document and clause */
  clause: string
  /** day from which the document's version applies, YYYY-MM-DD; null: it has none, or it was not found */
  version: string | null
  link: string
  /** day on which others had read it, YYYY-MM-DD; null: not known */
  readOn: string | null
  terms: Readonly<Record<AnswerKind, KindTerms>>
}

/** Terms that do not tell the kinds of answers apart. */
const both = (stance: Stance, says: string): ProviderTerms['terms'] => ({
  organized: { stance, says },
  written: { stance, says },
})

export const PROVIDER_TERMS: readonly ProviderTerms[] = [
  {
    provider: 'OpenAI',
    hosts: ['api.openai.com', '*.api.openai.com'],
    clause: 'Services Agreement §3.3(e) with the definition of Permitted Exception',
    version: '2026-01-01',
    link: 'https://openai.com/policies/services-agreement/',
    readOn: '2026-10-08',
    terms: {
      organized: {
        stance: 'allowed',
        says: 'models "primarily intended to categorize, classify, or organize data" are excepted, while they are neither distributed nor sold to third parties',
      },
      written: {
        stance: 'asks',
        says: 'models that compete with its products and services are forbidden, and it is not defined which do',
      },
    },
  },
  {
    provider: 'Anthropic',
    hosts: ['api.anthropic.com'],
    clause: 'Usage Policy, also Commercial Terms D.4 and support article 12326764',
    version: '2025-09-15',
    link: 'https://support.claude.com/en/articles/12326764-can-i-use-my-outputs-to-train-an-ai-model',
    readOn: '2026-10-05',
    terms: {
      organized: {
        stance: 'asks',
        says: 'the article permits classifiers and extraction tools that do not compete, and the policy wants authorization before any training',
      },
      written: {
        stance: 'asks',
        says: 'the policy wants authorization before any training, and the terms forbid competing models without approval',
      },
    },
  },
  {
    provider: 'Google Gemini API',
    hosts: ['generativelanguage.googleapis.com'],
    clause: 'Gemini API Additional Terms, Use Restrictions',
    version: '2026-03-23',
    link: 'https://ai.google.dev/gemini-api/terms',
    readOn: '2026-10-05',
    terms: both(
      'asks',
      'models that compete with the service are forbidden, and so is replicating a part of it; neither is defined'
    ),
  },
  {
    provider: 'xAI',
    hosts: ['api.x.ai', '*.api.x.ai'],
    clause: 'Terms of Service – Enterprise §3.2(i)',
    version: null,
    link: 'https://x.ai/legal/terms-of-service-enterprise',
    readOn: '2026-10-05',
    terms: both(
      'forbidden',
      'no AI system may be trained on output, unless an order form permits it'
    ),
  },
  {
    provider: 'DeepSeek',
    hosts: ['api.deepseek.com'],
    clause: 'Open Platform Terms of Service §4.2(3)',
    version: '2026-04-29',
    link: 'https://cdn.deepseek.com/policies/en-US/deepseek-open-platform-terms-of-service.html',
    readOn: '2026-10-05',
    terms: both('allowed', 'training other models, distillation included, is named among the uses'),
  },
  {
    provider: 'Mistral',
    hosts: ['api.mistral.ai'],
    clause: 'Commercial Terms of Service §3.1, §3.3 and restrictions (d), (e)',
    version: '2026-09-25',
    link: 'https://legal.mistral.ai/terms/commercial-terms-of-service',
    readOn: '2026-10-05',
    terms: {
      organized: {
        stance: 'allowed',
        says: 'the customer owns the output, and only image outputs have a restriction on training',
      },
      written: {
        stance: 'asks',
        says: 'reverse engineering with outputs is forbidden, and whether that reaches the imitation of texts is not clear',
      },
    },
  },
  {
    provider: 'Azure OpenAI',
    hosts: ['*.openai.azure.com', '*.services.ai.azure.com', '*.cognitiveservices.azure.com'],
    clause: 'Microsoft Product Terms, Universal License Terms, Microsoft Generative AI Services',
    version: null,
    link: 'https://www.microsoft.com/licensing/terms/product/ForOnlineServices/all',
    readOn: null,
    terms: both(
      'asks',
      'output may not be made for the express purpose of training systems that are much like a Microsoft AI service'
    ),
  },
  {
    provider: 'AWS Bedrock',
    hosts: ['bedrock-runtime.*.amazonaws.com', 'bedrock-mantle.*.api.aws'],
    clause: 'AWS Service Terms §50.12.1',
    version: '2026-07-29',
    link: 'https://aws.amazon.com/service-terms/',
    readOn: '2026-08-12',
    terms: both('asks', "the terms of the model's provider apply beside those of AWS"),
  },
  {
    provider: 'OpenRouter',
    hosts: ['openrouter.ai'],
    clause: 'Terms of Service §5.1',
    version: '2026-08-31',
    link: 'https://openrouter.ai/terms',
    readOn: '2026-10-05',
    terms: both('asks', 'the terms of each model apply'),
  },
  {
    provider: 'Groq',
    hosts: ['api.groq.com'],
    clause: 'Services Agreement',
    version: '2026-06-22',
    link: 'https://console.groq.com/docs/legal/services-agreement',
    readOn: '2026-08-17',
    terms: both(
      'asks',
      'the customer owns the outputs; no clause on training on them was found, and the licence of the model applies'
    ),
  },
  {
    provider: 'Fireworks',
    hosts: ['api.fireworks.ai'],
    clause: 'Terms of Service',
    version: null,
    link: 'https://fireworks.ai/terms-of-service',
    readOn: '2026-04-29',
    terms: both(
      'asks',
      'content available through the service may not be used to train models; whether this reaches your own answers is not clear, and the version of 2026-07-10 was not read'
    ),
  },
]
