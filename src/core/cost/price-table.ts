/** Made by `npm run bench:make-prices`; `price-list.ts` reads it. */

/** Day of the release that the prices are from, YYYY-MM-DD. */
export const AS_OF = '2026-11-20'

/**
 * Model; US dollars per million tokens of input, cached input, writes to the cache, output; tokens of the shortest
 * prefix that is cached and of the longest answer; day on which the provider retires the model. Behind it the tiers, each
 * with its prices: `>272000` of requests with more input tokens, `flex` of this service tier. Above them their page.
 */
export const PRICE_TABLE = `
# https://developers.openai.com/api/docs/pricing
gpt-3.5-turbo 0.5 0.5 - 1.5 - 4096 2026-10-23
gpt-4 30 30 - 60 - 4096 2026-10-23
gpt-4-turbo 10 10 - 30 - 4096 2026-10-23
gpt-4.1 2 0.5 - 8 1024 32768 2027-01-14 priority 3.5 0.875 - 14 batch 1 0.5 - 4
gpt-4.1-mini 0.4 0.1 - 1.6 1024 32768 2027-01-14 priority 0.7 0.175 - 2.8 batch 0.2 0.1 - 0.8
gpt-4.1-nano 0.1 0.025 - 0.4 1024 32768 2026-10-23 priority 0.2 0.05 - 0.8 batch 0.05 0.025 - 0.2
gpt-4o 2.5 1.25 - 10 1024 16384 2027-01-14 priority 4.25 2.125 - 17 batch 1.25 1.25 - 5
gpt-4o-mini 0.15 0.075 - 0.6 1024 16384 2027-01-14 priority 0.25 0.125 - 1 batch 0.075 0.075 - 0.3
gpt-5 1.25 0.125 - 10 1024 128000 2026-12-11 flex 0.625 0.0625 - 5 priority 2.5 0.25 - 20 batch 0.625 0.0625 - 5
gpt-5-codex 1.25 0.125 - 10 1024 128000 2026-07-23
gpt-5-mini 0.25 0.025 - 2 1024 128000 2026-12-11 flex 0.125 0.0125 - 1 priority 0.45 0.045 - 3.6 batch 0.125 0.0125 - 1
gpt-5-nano 0.05 0.005 - 0.4 1024 128000 2026-12-11 flex 0.025 0.0025 - 0.2 batch 0.025 0.0025 - 0.2
gpt-5-pro 15 15 - 120 - 272000 2026-12-11 batch 7.5 7.5 - 60
gpt-5.1 1.25 0.125 - 10 1024 128000 2027-04-01 flex 0.625 0.0625 - 5 priority 2.5 0.25 - 20 batch 0.625 0.0625 - 5
gpt-5.1-codex 1.25 0.125 - 10 1024 128000 2026-07-23
gpt-5.2 1.75 0.175 - 14 1024 128000 - flex 0.875 0.0875 - 7 priority 3.5 0.35 - 28 batch 0.875 0.0875 - 7
gpt-5.2-codex 1.75 0.175 - 14 1024 128000 2026-07-23
gpt-5.2-pro 21 21 - 168 - 128000 - batch 10.5 10.5 - 84
gpt-5.3-codex 1.75 0.175 - 14 1024 128000 2027-04-01 priority 3.5 0.35 - 28
gpt-5.4 2.5 0.25 - 15 1024 128000 - >272000 5 0.5 - 22.5 flex 1.25 0.13 - 7.5 flex>272000 2.5 0.25 - 11.25 priority 5 0.5 - 30 batch 1.25 0.13 - 7.5 batch>272000 2.5 0.25 - 11.25
gpt-5.4-mini 0.75 0.075 - 4.5 1024 128000 - flex 0.375 0.0375 - 2.25 priority 1.5 0.15 - 9 batch 0.375 0.0375 - 2.25
gpt-5.4-nano 0.2 0.02 - 1.25 1024 128000 2027-04-01 flex 0.1 0.01 - 0.625 batch 0.1 0.01 - 0.625
gpt-5.4-pro 30 30 - 180 - 128000 - >272000 60 60 - 270 flex 15 15 - 90 flex>272000 30 30 - 135 batch 15 15 - 90 batch>272000 30 30 - 135
gpt-5.5 5 0.5 - 30 1024 128000 - >272000 10 1 - 45 flex 2.5 0.25 - 15 flex>272000 5 0.5 - 22.5 priority 12.5 1.25 - 75 batch 2.5 0.25 - 15 batch>272000 5 0.5 - 22.5
gpt-5.5-pro 30 30 - 180 - 128000 - >272000 60 60 - 270 flex 15 15 - 90 batch 15 15 - 90 batch>272000 30 30 - 135
gpt-5.6 4 0.4 5 20 1024 128000 - >272000 8 0.8 10 30 flex 2 0.2 2.5 10 flex>272000 4 0.4 5 15 priority 8 0.8 10 40 priority>272000 16 1.6 20 60 batch 2 0.2 2.5 10 batch>272000 4 0.4 5 15
gpt-5.6-luna 0.2 0.02 0.25 1.2 1024 128000 - >272000 0.4 0.04 0.5 1.8 flex 0.1 0.01 0.125 0.6 flex>272000 0.2 0.02 0.25 0.9 priority 0.4 0.04 0.5 2.4 priority>272000 0.8 0.08 1 3.6 batch 0.1 0.01 0.125 0.6 batch>272000 0.2 0.02 0.25 0.9
gpt-5.6-sol 4 0.4 5 20 1024 128000 - >272000 8 0.8 10 30 flex 2 0.2 2.5 10 flex>272000 4 0.4 5 15 priority 8 0.8 10 40 priority>272000 16 1.6 20 60 batch 2 0.2 2.5 10 batch>272000 4 0.4 5 15
gpt-5.6-terra 2 0.2 2.5 12 1024 128000 - >272000 4 0.4 5 18 flex 1 0.1 1.25 6 flex>272000 2 0.2 2.5 9 priority 4 0.4 5 24 priority>272000 8 0.8 10 36 batch 1 0.1 1.25 6 batch>272000 2 0.2 2.5 9
gpt-6-astra 10 1 12.5 50 1024 128000 - >272000 20 2 25 75 flex 5 0.5 6.25 25 flex>272000 10 1 12.5 37.5 priority 20 2 25 100 priority>272000 40 4 50 150 batch 5 0.5 6.25 25 batch>272000 10 1 12.5 37.5 ultrafast 60 6 75 300 ultrafast>272000 120 12 150 450
gpt-6-luna 0.1 0.01 0.125 0.5 1024 128000 - >272000 0.2 0.02 0.25 0.75 flex 0.05 0.005 0.0625 0.25 flex>272000 0.1 0.01 0.125 0.375 priority 0.2 0.02 0.25 1 priority>272000 0.4 0.04 0.5 1.5 batch 0.05 0.005 0.0625 0.25 batch>272000 0.1 0.01 0.125 0.375
gpt-6-sol 2 0.2 2.5 10 1024 128000 - >272000 4 0.4 5 15 flex 1 0.1 1.25 5 flex>272000 2 0.2 2.5 7.5 priority 4 0.4 5 20 priority>272000 8 0.8 10 30 batch 1 0.1 1.25 5 batch>272000 2 0.2 2.5 7.5
gpt-6.1-sol 2 0.1 2.5 10 1024 128000 - >272000 4 0.2 5 15 flex 1 0.05 1.25 5 flex>272000 2 0.1 2.5 7.5 priority 4 0.2 5 20 priority>272000 8 0.4 10 30 batch 1 0.05 1.25 5 batch>272000 2 0.1 2.5 7.5 ultrafast 12 0.6 15 60 ultrafast>272000 24 1.2 30 90
gpt-6.1-terra 1 0.05 1.25 5 1024 128000 - >272000 2 0.1 2.5 7.5 flex 0.5 0.025 0.625 2.5 flex>272000 1 0.05 1.25 3.75 priority 2 0.1 2.5 10 priority>272000 4 0.2 5 15 batch 0.5 0.025 0.625 2.5 batch>272000 1 0.05 1.25 3.75
o1 15 7.5 - 60 1024 100000 2026-10-23 batch 7.5 7.5 - 30
o1-pro 150 150 - 600 - 100000 2026-10-23 batch 75 75 - 300
o3 2 0.5 - 8 1024 100000 2026-12-11 flex 1 0.25 - 4 priority 3.5 0.875 - 14 batch 1 0.5 - 4
o3-mini 1.1 0.55 - 4.4 1024 100000 2026-10-23 batch 0.55 0.55 - 2.2
o3-pro 20 20 - 80 - 100000 2026-12-11 batch 10 10 - 40
o4-mini 1.1 0.275 - 4.4 1024 100000 2026-10-23 flex 0.55 0.138 - 2.2 priority 2 0.5 - 8 batch 0.55 0.275 - 2.2
# https://platform.claude.com/docs/en/about-claude/pricing
claude-haiku-4-5 1 0.1 1.25 5 4096 64000 - batch 0.5 0.05 0.625 2.5
claude-haiku-5-5 0.1 0.01 0.125 0.5 512 128000 - >100000 0.5 0.05 0.625 2.5 batch 0.05 0.005 0.0625 0.25 batch>100000 0.25 0.025 0.3125 1.25
claude-opus-4-5 5 0.5 6.25 25 4096 64000 - batch 2.5 0.25 3.125 12.5
claude-opus-4-6 5 0.5 6.25 25 4096 128000 - batch 2.5 0.25 3.125 12.5
claude-opus-4-7 5 0.5 6.25 25 2048 128000 - batch 2.5 0.25 3.125 12.5
claude-opus-4-8 5 0.5 6.25 25 1024 128000 - batch 2.5 0.25 3.125 12.5
claude-opus-5 5 0.5 6.25 25 512 128000 - batch 2.5 0.25 3.125 12.5
claude-opus-5-5 4 0.2 5 20 512 128000 - batch 2 0.1 2.5 10
claude-sonnet-4-5 3 0.3 3.75 15 1024 64000 2026-11-30 batch 1.5 0.15 1.875 7.5
claude-sonnet-4-6 3 0.3 3.75 15 1024 128000 - batch 1.5 0.15 1.875 7.5
claude-sonnet-5 2 0.2 2.5 10 1024 128000 - batch 1 0.1 1.25 5
claude-sonnet-5-5 2 0.1 2.5 10 512 128000 - batch 1 0.05 1.25 5
# https://ai.google.dev/gemini-api/docs/pricing
gemini-2.5-flash 0.3 0.03 - 2.5 1024 65536 2026-12-01 flex 0.15 0.03 - 1.25 priority 0.54 0.054 - 4.5 batch 0.15 0.03 - 1.25
gemini-2.5-flash-lite 0.1 0.01 - 0.4 1024 65536 - flex 0.05 0.01 - 0.2 priority 0.18 0.018 - 0.72 batch 0.05 0.01 - 0.2
gemini-2.5-pro 1.25 0.125 - 10 2048 65536 2026-12-01 >200000 2.5 0.25 - 15 flex 0.625 0.125 - 5 flex>200000 1.25 0.25 - 7.5 priority 2.25 0.225 - 18 priority>200000 4.5 0.45 - 27 batch 0.625 0.125 - 5 batch>200000 1.25 0.25 - 7.5
gemini-3-flash-preview 0.5 0.05 - 3 1024 65536 - flex 0.25 0.05 - 1.5 priority 0.9 0.09 - 5.4 batch 0.25 0.05 - 1.5
gemini-3.1-flash-lite 0.25 0.025 - 1.5 1024 65536 2027-05-07 flex 0.125 0.0125 - 0.75 priority 0.45 0.045 - 2.7 batch 0.125 0.0125 - 0.75
gemini-3.1-flash-lite-preview 0.25 0.025 - 1.5 1024 65536 2026-05-25 flex 0.125 0.0125 - 0.75 priority 0.45 0.045 - 2.7 batch 0.125 0.0125 - 0.75
gemini-3.1-pro-preview 2 0.2 - 12 4096 65536 - >200000 4 0.4 - 18 flex 1 0.2 - 6 flex>200000 2 0.4 - 9 priority 3.6 0.36 - 21.6 priority>200000 7.2 0.72 - 32.4 batch 1 0.2 - 6 batch>200000 2 0.4 - 9
gemini-3.5-flash 1.5 0.15 - 9 4096 65536 - flex 0.75 0.08 - 4.5 priority 2.7 0.27 - 16.2 batch 0.75 0.075 - 4.5
gemini-3.5-flash-lite 0.3 0.03 - 2.5 1024 65536 - flex 0.15 0.02 - 1.25 priority 0.54 0.05 - 4.5 batch 0.15 0.015 - 1.25
gemini-3.6-flash 0.75 0.075 - 3.75 4096 65536 - flex 0.375 0.0375 - 1.875 priority 1.35 0.135 - 6.75 batch 0.375 0.0375 - 1.875
gemini-3.7-flash 0.75 0.075 - 3.75 4096 65536 - flex 0.375 0.0375 - 1.875 priority 1.35 0.135 - 6.75 batch 0.375 0.0375 - 1.875
gemini-3.8-flash 0.75 0.075 - 3.75 4096 65536 - flex 0.375 0.0375 - 1.875 priority 1.35 0.135 - 6.75 batch 0.375 0.0375 - 1.875
gemini-4-argon 2 0.1 - 10 4096 1048576 - flex 1 0.05 - 5 priority 3.6 0.18 - 18 batch 1 0.05 - 5
gemini-4-hydrogen 1.5 0.075 - 7.5 4096 1048576 - flex 0.75 0.0375 - 3.75 priority 2.7 0.135 - 13.5 batch 0.75 0.0375 - 3.75
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
grok-4.3 1.25 0.2 - 2.5 - 1000000 - >200000 2.5 0.4 - 5 batch 1 0.16 - 2 batch>200000 2 0.32 - 4
grok-4.5 2 0.3 - 6 - 500000 - >200000 4 0.6 - 12
grok-4.6 2 0.5 - 6 - 500000 - >200000 4 1 - 12
grok-4.7 2 0.5 - 6 - 500000 - >200000 4 1 - 12 batch 1.6 0.4 - 4.8 batch>200000 3.2 0.8 - 9.6
grok-4.20 1.25 0.2 - 2.5 - 1000000 - >200000 2.5 0.4 - 5 batch 1 0.16 - 2 batch>200000 2 0.32 - 4
`
