export function threadTime(): number;
export const LOADING_TIME: unique symbol;
export function loadingTime(): number;
export function timeLoading(): void;
