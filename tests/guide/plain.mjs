// The guide's first JavaScript receiver, as printed.
// Example: Next.js API route
// app/api/webhooks/scorm/route.ts
export async function POST(request) {
  const body = await request.json();
  
  // Process webhook event
  console.log('Webhook received:', body);
  
  return new Response('OK', { status: 200 });
}
