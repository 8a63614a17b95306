/**
 * What the chat templates of Qwen3, Llama 3.2, Gemma 3, SmolLM3 and Mistral write for training is
 * what serving reads. The templates are written anew and shortened: no tools, no thoughts, no images.
 */
import { describe, expect, it } from 'vitest'
import { createChatTemplate, type TemplateTokens } from '../../adapters/text/chat-template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'

interface Family {
  name: string
  template: string
  tokens: TemplateTokens
  control: string[]
  /** Messages, the text with a mark where the completion begins, and whether the template's own system text stays. */
  cases: [messages: ChatMessage[], text: string, defaultSystem?: boolean][]
}

const ask: ChatMessage = { role: 'user', content: 'Which city?' }
const brief: ChatMessage = { role: 'system', content: 'Answer briefly.' }
const say = (content: string): ChatMessage => ({ role: 'assistant', content })

const asked = [ask, say('Paris')]
const briefly = [brief, ...asked]
const again = [ask, say('Rome'), ...asked]
const brieflyAgain = [brief, ...again]
const hidden = [ask, say('</think>')]

const FAMILIES: Family[] = [
  {
    name: 'Qwen3',
    template: String.raw`
{%- set turn = namespace(asked=-1) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set turn.asked = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if message.role == 'assistant' and loop.index0 > turn.asked -%}
{{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + message.content.lstrip('\n') + '<|im_end|>\n' -}}
{%- else -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' -}}
{%- if enable_thinking is defined and enable_thinking is false -%}{{- '<think>\n\n</think>\n\n' -}}{%- endif -%}
{%- endif -%}
`,
    tokens: { eos_token: '<|im_end|>' },
    control: ['<|im_start|>', '<|im_end|>', '<think>', '</think>'],
    cases: [
      [
        asked,
        '<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n¦Paris<|im_end|>\n',
      ],
      [
        briefly,
        '<|im_start|>system\nAnswer briefly.<|im_end|>\n<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n¦Paris<|im_end|>\n',
      ],
      [
        again,
        '<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\nRome<|im_end|>\n<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n¦Paris<|im_end|>\n',
      ],
      [
        hidden,
        '<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n¦</think><|im_end|>\n',
      ],
    ],
  },
  {
    name: 'Llama 3.2',
    template: String.raw`
{{- bos_token -}}
{%- set system = '' -%}
{%- set turns = messages -%}
{%- if messages[0].role == 'system' -%}
{%- set system = messages[0].content | trim -%}
{%- set turns = messages[1:] -%}
{%- endif -%}
{%- set today = '26 Jul 2024' -%}
{%- if strftime_now is defined -%}{%- set today = strftime_now('%d %b %Y') -%}{%- endif -%}
{{- '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: ' + today + '\n\n' + system + '<|eot_id|>' -}}
{%- for message in turns -%}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}{%- endif -%}
`,
    tokens: { bos_token: '<|begin_of_text|>', eos_token: '<|eot_id|>' },
    control: ['<|begin_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
    cases: [
      [
        asked,
        '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhich city?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n¦Paris<|eot_id|>',
      ],
      [
        asked,
        '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 01 Jan 2026\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhich city?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n¦Paris<|eot_id|>',
        true,
      ],
      [
        briefly,
        '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 01 Jan 2026\n\nAnswer briefly.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhich city?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n¦Paris<|eot_id|>',
      ],
    ],
  },
  {
    name: 'Gemma 3',
    template: String.raw`
{{- bos_token -}}
{%- set opening = '' -%}
{%- set turns = messages -%}
{%- if messages[0].role == 'system' -%}
{%- set opening = messages[0].content + '\n\n' -%}
{%- set turns = messages[1:] -%}
{%- endif -%}
{%- for message in turns -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}{{- raise_exception('roles must alternate') -}}{%- endif -%}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' -}}
{%- if loop.first -%}{{- opening -}}{%- endif -%}
{{- message.content | trim + '<end_of_turn>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}
`,
    tokens: { bos_token: '<bos>', eos_token: '<eos>' },
    control: ['<bos>', '<eos>', '<start_of_turn>', '<end_of_turn>'],
    cases: [
      [
        asked,
        '<bos><start_of_turn>user\nWhich city?<end_of_turn>\n<start_of_turn>model\n¦Paris<end_of_turn>\n',
      ],
      [
        briefly,
        '<bos><start_of_turn>user\nAnswer briefly.\n\nWhich city?<end_of_turn>\n<start_of_turn>model\n¦Paris<end_of_turn>\n',
      ],
    ],
  },
  {
    name: 'SmolLM3',
    template: String.raw`
{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}
{%- set thoughts = '' if enable_thinking else '<think>\n\n</think>\n' -%}
{%- set custom = 'You are a helpful AI assistant named SmolLM, trained by Hugging Face.' -%}
{%- if messages[0].role == 'system' -%}{%- set custom = messages[0].content.rstrip() -%}{%- endif -%}
{{- '<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: ' + strftime_now('%d %B %Y') -}}
{{- '\nReasoning Mode: ' + ('/think' if enable_thinking else '/no_think') + '\n\n## Custom Instructions\n\n' + custom + '\n\n' -}}
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' -}}
{%- elif message.role == 'assistant' -%}
{% generation %}
{{- '<|im_start|>assistant\n' + thoughts + message.content.lstrip('\n') + '<|im_end|>\n' -}}
{% endgeneration %}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' + thoughts -}}{%- endif -%}
`,
    tokens: { eos_token: '<|im_end|>' },
    control: ['<|im_start|>', '<|im_end|>', '<think>', '</think>'],
    cases: [
      [
        asked,
        '<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n¦Paris<|im_end|>\n',
      ],
      [
        asked,
        '<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: 01 Jan 2026\nReasoning Mode: /no_think\n\n## Custom Instructions\n\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face.\n\n<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n¦Paris<|im_end|>\n',
        true,
      ],
      [
        briefly,
        '<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: 01 Jan 2026\nReasoning Mode: /no_think\n\n## Custom Instructions\n\nAnswer briefly.\n\n<|im_start|>user\nWhich city?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n¦Paris<|im_end|>\n',
      ],
    ],
  },
  {
    name: 'Mistral 0.3',
    template: String.raw`
{{- bos_token -}}
{%- set turns = messages -%}
{%- if messages[0].role == 'system' -%}
{%- set system = messages[0].content -%}
{%- set turns = messages[1:] -%}
{%- endif -%}
{%- for message in turns -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}{{- raise_exception('roles must alternate') -}}{%- endif -%}
{%- if message.role == 'user' -%}
{%- if loop.last and system is defined -%}
{{- '[INST] ' + system + '\n\n' + message.content + '[/INST]' -}}
{%- else -%}
{{- '[INST] ' + message.content + '[/INST]' -}}
{%- endif -%}
{%- else -%}
{{- ' ' + message.content | trim + eos_token -}}
{%- endif -%}
{%- endfor -%}
`,
    tokens: { bos_token: '<s>', eos_token: '</s>' },
    control: ['<s>', '</s>', '[INST]', '[/INST]'],
    cases: [
      [asked, '<s>[INST] Which city?[/INST]¦ Paris</s>'],
      [briefly, '<s>[INST] Answer briefly.\n\nWhich city?[/INST]¦ Paris</s>'],
      [
        brieflyAgain,
        '<s>[INST] Which city?[/INST] Rome</s>[INST] Answer briefly.\n\nWhich city?[/INST]¦ Paris</s>',
      ],
    ],
  },
]

describe('a training row is the prompt that is served, and the answer alone', () => {
  it.each(FAMILIES)('$name', ({ template, tokens, control, cases }) => {
    const chat = createChatTemplate(template.trim(), tokens, control)
    for (const [messages, text, defaultSystem = false] of cases) {
      const row = chat.renderAnswered(messages, { defaultSystem })
      const served = chat.render(messages.slice(0, -1), {
        addGenerationPrompt: true,
        defaultSystem,
      })
      expect(row.prompt).toBe(served.text)
      expect(`${row.prompt}¦${row.completion}`.replaceAll(row.guard, '')).toBe(text)
    }
  })
})
