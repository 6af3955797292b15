/**
 * Takes secrets out of what leaves the log for an agent, a file or a screen: known values, their encoded forms, the lines of long values,
 * and what has the shape of a well-known token.
 */
import { FIXED_LIMITS } from '../limits.ts';
import { formsOf, replacer, wholeForms, type Secret } from './redact.ts';
import { collapsed, tame } from './text.ts';
import { LONGEST_TOKEN, redactTokens } from './token-shapes.ts';

/** A line of a value (of a private key, say) that is at least this long is a secret of its own. */
const MIN_LINE_CHARS = 16;

export function createThoroughRedactor(secrets: readonly Secret[]) {
  const forms = new Map([...formsOf(secrets, encodedForms), ...formsOf(secrets, wholeForms)]);
  const partly = replacer(forms);
  return {
    /** Linear in the text. */
    thorough: (text: string): string => redactTokens(partly(text)),
    /** The length of the longest text that may be replaced. Who cuts a text before redacting it must keep this margin. */
    reach: Math.max(LONGEST_TOKEN, ...[...forms.keys()].map((form) => form.length)),
  };
}

/** The value as text formats encode it, and its longer lines. */
function encodedForms(value: string): string[] {
  const whole = [...new Set(wholeForms(value))].filter(longEnough);
  const lines = value.includes('\n') ? value.split(/\r?\n/).map((line) => line.trim()) : [];
  const secretLines = lines.filter((line) => line.length >= MIN_LINE_CHARS && !/^-----/.test(line));
  return [...whole.flatMap(spellings).filter(longEnough).flatMap(escapes), ...whole.flatMap(base64Forms), ...secretLines];
}

/** Checked before encoding, which makes a short text long enough although it occurs everywhere: `ä` becomes `\u00e4`. */
const longEnough = (text: string): boolean => text.length >= FIXED_LIMITS.secretChars;

/** What reads the same: as we tame it and put it on one line, and with accents composed or apart. */
function spellings(value: string): string[] {
  return [...new Set([value, tame(value), collapsed(value), value.normalize('NFC'), value.normalize('NFD')])];
}

/** The value escaped in JSON and in JSON inside JSON, in the ways that writers differ, and in addresses and forms. */
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

/** The base64 of a shorter value, without its edges, could occur elsewhere by chance. */
const MIN_BASE64_BYTES = 12;

/** The base64 of a value inside a longer text: at each of the three alignments, without the characters that depend on its neighbours. */
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
