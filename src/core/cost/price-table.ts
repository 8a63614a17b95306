/** Made by `npm run bench:make-prices`; `price-list.ts` reads it. */

/** Day of the release that the prices are from, YYYY-MM-DD. */
export const AS_OF = '2026-11-20'

/**
 * Model; US dollars per million tokens of input, cached input, writes to the cache, output; tokens of the shortest
 * prefix that is cached and of the longest answer; day on which the provider retires the model. Above them their page.
 */
export const PRICE_TABLE = `
# https://developers.openai.com/api/docs/pricing
gpt-3.5-turbo 0.5 0.5 - 1.5 - 4096 2026-10-23
gpt-4 30 30 - 60 - 4096 2026-10-23
gpt-4-turbo 10 10 - 30 - 4096 2026-10-23
gpt-4.1 2 0.5 - 8 1024 32768 2027-01-14
gpt-4.1-mini 0.4 0.1 - 1.6 1024 32768 2027-01-14
gpt-4.1-nano 0.1 0.025 - 0.4 1024 32768 2026-10-23
gpt-4o 2.5 1.25 - 10 1024 16384 2027-01-14
gpt-4o-mini 0.15 0.075 - 0.6 1024 16384 2027-01-14
gpt-5 1.25 0.125 - 10 1024 128000 2026-12-11
gpt-5-codex 1.25 0.125 - 10 1024 128000 2026-07-23
gpt-5-mini 0.25 0.025 - 2 1024 128000 2026-12-11
gpt-5-nano 0.05 0.005 - 0.4 1024 128000 2026-12-11
gpt-5-pro 15 15 - 120 - 272000 2026-12-11
gpt-5.1 1.25 0.125 - 10 1024 128000 2027-04-01
gpt-5.1-codex 1.25 0.125 - 10 1024 128000 2026-07-23
gpt-5.2 1.75 0.175 - 14 1024 128000 -
gpt-5.2-codex 1.75 0.175 - 14 1024 128000 2026-07-23
gpt-5.2-pro 21 21 - 168 - 128000 -
gpt-5.3-codex 1.75 0.175 - 14 1024 128000 2027-04-01
gpt-5.4 2.5 0.25 - 15 1024 128000 -
gpt-5.4-mini 0.75 0.075 - 4.5 1024 128000 -
gpt-5.4-nano 0.2 0.02 - 1.25 1024 128000 2027-04-01
gpt-5.4-pro 30 30 - 180 - 128000 -
gpt-5.5 5 0.5 - 30 1024 128000 -
gpt-5.5-pro 30 30 - 180 - 128000 -
gpt-5.6 4 0.4 5 20 1024 128000 -
gpt-5.6-luna 0.2 0.02 0.25 1.2 1024 128000 -
gpt-5.6-sol 4 0.4 5 20 1024 128000 -
gpt-5.6-terra 2 0.2 2.5 12 1024 128000 -
gpt-6-astra 10 1 12.5 50 1024 128000 -
gpt-6-luna 0.1 0.01 0.125 0.5 1024 128000 -
gpt-6-sol 2 0.2 2.5 10 1024 128000 -
gpt-6.1-sol 2 0.1 2.5 10 1024 128000 -
gpt-6.1-terra 1 0.05 1.25 5 1024 128000 -
o1 15 7.5 - 60 1024 100000 2026-10-23
o1-pro 150 150 - 600 - 100000 2026-10-23
o3 2 0.5 - 8 1024 100000 2026-12-11
o3-mini 1.1 0.55 - 4.4 1024 100000 2026-10-23
o3-pro 20 20 - 80 - 100000 2026-12-11
o4-mini 1.1 0.275 - 4.4 1024 100000 2026-10-23
# https://platform.claude.com/docs/en/about-claude/pricing
claude-haiku-4-5 1 0.1 1.25 5 4096 64000 -
claude-haiku-5-5 0.1 0.01 0.125 0.5 512 128000 -
claude-opus-4-5 5 0.5 6.25 25 4096 64000 -
claude-opus-4-6 5 0.5 6.25 25 4096 128000 -
claude-opus-4-7 5 0.5 6.25 25 2048 128000 -
claude-opus-4-8 5 0.5 6.25 25 1024 128000 -
claude-opus-5 5 0.5 6.25 25 512 128000 -
claude-opus-5-5 4 0.2 5 20 512 128000 -
claude-sonnet-4-5 3 0.3 3.75 15 1024 64000 2026-11-30
claude-sonnet-4-6 3 0.3 3.75 15 1024 128000 -
claude-sonnet-5 2 0.2 2.5 10 1024 128000 -
claude-sonnet-5-5 2 0.1 2.5 10 512 128000 -
# https://ai.google.dev/gemini-api/docs/pricing
gemini-2.5-flash 0.3 0.03 - 2.5 1024 65536 2026-12-01
gemini-2.5-flash-lite 0.1 0.01 - 0.4 1024 65536 -
gemini-2.5-pro 1.25 0.125 - 10 2048 65536 2026-12-01
gemini-3-flash-preview 0.5 0.05 - 3 1024 65536 -
gemini-3.1-flash-lite 0.25 0.025 - 1.5 1024 65536 2027-05-07
gemini-3.1-flash-lite-preview 0.25 0.025 - 1.5 1024 65536 2026-05-25
gemini-3.1-pro-preview 2 0.2 - 12 4096 65536 -
gemini-3.5-flash 1.5 0.15 - 9 4096 65536 -
gemini-3.5-flash-lite 0.3 0.03 - 2.5 1024 65536 -
gemini-3.6-flash 0.75 0.075 - 3.75 4096 65536 -
gemini-3.7-flash 0.75 0.075 - 3.75 4096 65536 -
gemini-3.8-flash 0.75 0.075 - 3.75 4096 65536 -
gemini-4-argon 2 0.1 - 10 4096 1048576 -
gemini-4-hydrogen 1.5 0.075 - 7.5 4096 1048576 -
# https://api-docs.deepseek.com/quick_start/pricing
deepseek-chat 0.28 0.028 - 0.42 - 8192 2026-07-24
deepseek-flash 0.3 0.006 - 1.2 - 393216 -
deepseek-reasoner 0.28 0.028 - 0.42 - 65536 2026-07-24
deepseek-v4-flash 0.3 0.006 - 1.2 - 393216 -
deepseek-v4-pro 1.32 0.044 - 3.96 - 393216 -
# https://mistral.ai/pricing
ministral-3b-latest 0.1 0.01 - 0.1 - 131072 -
ministral-8b-latest 0.15 0.015 - 0.15 - 262144 -
ministral-14b-latest 0.2 0.02 - 0.2 - 262144 -
mistral-large-latest 0.5 0.05 - 1.5 - 262144 -
mistral-medium-latest 1.5 0.15 - 7.5 - 262144 -
mistral-small-latest 0.15 0.015 - 0.6 - 262144 -
# https://docs.x.ai/docs/models
grok-4.3 1.25 0.2 - 2.5 - 1000000 -
grok-4.5 2 0.3 - 6 - 500000 -
grok-4.6 2 0.5 - 6 - 500000 -
grok-4.7 2 0.5 - 6 - 500000 -
grok-4.20 1.25 0.2 - 2.5 - 1000000 -
`
