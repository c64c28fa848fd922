// What several of the demo's pages use: elements, and tokens read and written by hand.

export function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const decode = (part) => new TextDecoder().decode(Uint8Array.from(atob(part.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)));

export function read(token) {
  const [header, payload] = token.split('.');
  return { header: JSON.parse(decode(header)), claims: JSON.parse(decode(payload)) };
}

const encode = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');

export const write = (value) => encode(new TextEncoder().encode(JSON.stringify(value)));

export async function signed(secret, header, claims) {
  const text = `${write(header)}.${write(claims)}`;
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey('raw', bytes.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return `${text}.${encode(new Uint8Array(await crypto.subtle.sign('HMAC', key, bytes.encode(text))))}`;
}
