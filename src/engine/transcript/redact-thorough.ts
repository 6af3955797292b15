/**
 * Takes secrets out of what leaves the log for an agent, a file or a screen: known values, their encoded forms, the lines of long ones, and
 * the shapes of well-known tokens.
 */
import { FIXED_LIMITS } from '../limits.ts';
import { formsOf, replacer, wholeForms, type Secret } from './redact.ts';
import { collapsed, tame } from './text.ts';
import { LONGEST_TOKEN, redactTokens } from './token-shapes.ts';

/** Lines of a many-line value (a private key) are secrets of their own from this length. */
const MIN_LINE_CHARS = 16;

export function createThoroughRedactor(secrets: readonly Secret[]) {
  const forms = new Map([...formsOf(secrets, encodedForms), ...formsOf(secrets, wholeForms)]);
  const partly = replacer(forms);
  return {
    /** Linear in the text. */
    thorough: (text: string): string => redactTokens(partly(text)),
    /** The longest text one replacement may span; a caller that cuts before redacting keeps this margin. */
    reach: Math.max(LONGEST_TOKEN, ...[...forms.keys()].map((form) => form.length)),
  };
}

/** The value as text formats carry it, and its longer lines. */
function encodedForms(value: string): string[] {
  const spoken = [...new Set(wholeForms(value))].filter(longEnough);
  const lines = value.split(/\r?\n/);
  const parts =
    lines.length > 1 ? lines.map((line) => line.trim()).filter((line) => line.length >= MIN_LINE_CHARS && !/^-----/.test(line)) : [];
  return [...spoken.flatMap(spellings).filter(longEnough).flatMap(escapes), ...spoken.flatMap(base64Forms), ...parts];
}

/** Encoded, a shorter text may be long, and yet occur everywhere: `\u00e4`. */
const longEnough = (text: string): boolean => text.length >= FIXED_LIMITS.secretChars;

/** The same to a reader: made harmless and one line by ourselves, accents composed or apart. */
function spellings(value: string): string[] {
  return [...new Set([value, tame(value), collapsed(value), value.normalize('NFC'), value.normalize('NFD')])];
}

/** Escaped in JSON, and in JSON inside JSON, as each of its writers does it; and in addresses and forms. */
function escapes(value: string): string[] {
  const whole = value.toWellFormed();
  const plain = json(value);
  const ascii = plain.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const capitals = ascii.replace(/(?<=\\u)[0-9a-f]{4}/g, (digits) => digits.toUpperCase());
  const addresses = [encodeURIComponent(whole), encodeURI(whole), String(new URLSearchParams({ '': whole })).slice(1)];
  return [
    value,
    ...[plain, ascii, capitals].flatMap((form) => [form, form.replaceAll('/', '\\/'), json(form)]),
    ...addresses.flatMap((form) => [form, form.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())]),
  ];
}

const json = (text: string): string => JSON.stringify(text).slice(1, -1);

/** A shorter value would leave fragments in base64 that occur elsewhere, too. */
const MIN_BASE64_BYTES = 12;

/** What a value is in base64 wherever it stands: at each of three alignments, without the characters it shares with its neighbours. */
function base64Forms(value: string): string[] {
  const bytes = new TextEncoder().encode(value);
  if (bytes.length < MIN_BASE64_BYTES) return [];
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return [0, 1, 2].flatMap((before) => {
    const whole = btoa('\0'.repeat(before) + binary).slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.length) * 4) / 3));
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
