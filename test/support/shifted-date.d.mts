type Variables = Readonly<Record<string, string | undefined>>;
export function shiftedDate(RealDate: DateConstructor, offset: number): DateConstructor;
export function offsetOf(variables: Variables): number | null;
export function clockVariables(offset: number): { TEST_CLOCK: string; NODE_OPTIONS: string };
