/** Conditions of an engine that a person has to know of. Pure. */
import type { EngineConditionKind } from '../openai/engine-state.ts'

/** These end by themselves, or keep no request from being answered. */
const LIGHT: readonly EngineConditionKind[] = ['throttled', 'not-deleted']

/** Whether the engine answers nothing while it lasts. */
export const isGrave = (kind: EngineConditionKind): boolean => !LIGHT.includes(kind)
